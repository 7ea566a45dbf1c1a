package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/ingest/kafkalog"
)

// subscription is to those of the topics that can be read. The client library's group leader asks for the partitions of all
// topics at once, and where one of them is not there, or denied, gives no member any partition of any: so no such topic may
// be asked for. Each member looks for itself, and joins anew with other topics when what it sees changes.
type subscription struct {
	in       *Ingester
	topics   []string
	ctx      context.Context // ends when other topics can be read
	cancel   context.CancelFunc
	watching sync.WaitGroup
	told     map[string]string // why the others cannot, as the log was told
}

// next waits until a topic can be read. It returns false when ctx has ended.
func (s *subscription) next(ctx context.Context) bool {
	var wait backoffTimer
	for ctx.Err() == nil {
		readable, err := s.look(ctx)
		switch {
		case err != nil: // the group tells of an absent Kafka
			readable = s.in.cfg.Topics
		case len(readable) == 0:
			s.in.health.kafkaAway(errors.New(refusedInWords(s.told)))
			sleep(ctx, min(wait.next(), s.in.topicsEvery))
			continue
		}
		s.topics = readable
		s.ctx, s.cancel = context.WithCancel(ctx)
		s.watching.Go(s.watch)
		return true
	}
	return false
}

// end is called when the subscription is not used any more.
func (s *subscription) end() {
	s.cancel()
	s.watching.Wait()
}

// watch ends the subscription's context when other topics can be read.
func (s *subscription) watch() {
	for {
		sleep(s.ctx, s.in.topicsEvery)
		if s.ctx.Err() != nil {
			return
		}
		if readable, err := s.look(s.ctx); err == nil && !slices.Equal(readable, s.topics) {
			s.in.log.Info("other topics can be read than before; joining the group for them", "topics", readable)
			s.cancel()
			return
		}
	}
}

// look asks which topics can be read, and tells of the others.
func (s *subscription) look(ctx context.Context) (readable []string, err error) {
	refused, err := s.in.kafka.refused(ctx, s.in.cfg.Topics)
	if err != nil {
		return nil, err
	}
	for _, t := range s.in.cfg.Topics {
		if refused[t] == "" {
			readable = append(readable, t)
		}
	}
	if !maps.Equal(refused, s.told) {
		for t, why := range refused {
			if s.told[t] != why {
				s.in.log.Warn("a topic cannot be read; the others are, and this one once it can be", "topic", t, "reason", why)
			}
		}
		for t := range s.told {
			if refused[t] == "" {
				s.in.log.Info("the topic can be read now", "topic", t)
			}
		}
	}
	s.told = refused
	s.in.health.topicsRefused(refusedInWords(refused))
	return readable, nil
}

// refusedInWords is one line, empty when no topic is.
func refusedInWords(refused map[string]string) string {
	var out []string
	for _, t := range slices.Sorted(maps.Keys(refused)) {
		out = append(out, fmt.Sprintf("topic %s cannot be read: %s", t, refused[t]))
	}
	return strings.Join(out, "; ")
}

// refused are the topics that cannot be read, and why. The topics are not made by asking.
func (k *kafkaClient) refused(ctx context.Context, topics []string) (map[string]string, error) {
	var last error
	for _, b := range k.brokers {
		refused, err := k.refusedBy(ctx, b, topics)
		if err == nil {
			return refused, nil
		}
		last = err
	}
	return nil, last
}

func (k *kafkaClient) refusedBy(ctx context.Context, broker string, topics []string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(broker)
	if err != nil {
		return nil, fmt.Errorf("address of a broker: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("port of the broker %s: %w", broker, err)
	}
	conn, err := k.dialBroker(ctx, kafka.Partition{Leader: kafka.Broker{Host: host, Port: number}})
	if err != nil {
		return nil, fmt.Errorf("ask %s for topics: %w", broker, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	refused := map[string]string{}
	for _, t := range topics {
		_ = conn.SetDeadline(time.Now().Add(dialTimeout))
		_, err := kafkalog.TopicID(conn, k.transport.ClientID, t)
		var code kafka.Error
		switch {
		case err == nil:
		case !errors.As(err, &code):
			return nil, err
		default:
			refused[t] = refusal(code)
		}
	}
	return refused, nil
}

// withAdvice adds what an operator can do about a connection that cannot be made. No error here holds a password.
func withAdvice(err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var header tls.RecordHeaderError
	switch {
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return fmt.Errorf("%w; check kafka-user, kafka-password and kafka-sasl", err)
	case errors.As(err, &authority):
		return fmt.Errorf("%w; name the one that signed the brokers' certificates with kafka-ca-file", err)
	case errors.As(err, &name):
		return fmt.Errorf("%w; name the brokers as their certificates do", err)
	case errors.As(err, &header):
		return fmt.Errorf("%w; the port is not one for TLS: name another in kafka, or unset kafka-tls", err)
	}
	return err
}

// refusal says what an operator can do about a topic.
func refusal(code kafka.Error) string {
	switch {
	case errors.Is(code, kafka.UnknownTopicOrPartition):
		return "it is not there; create it, or take it out of topics"
	case errors.Is(code, kafka.TopicAuthorizationFailed):
		return "Kafka does not allow it; allow this user Describe and Read on it, or take it out of topics"
	default:
		return code.Error()
	}
}
