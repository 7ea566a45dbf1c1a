package ingest

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/kafkalog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// A topic that was deleted and made anew starts again at offset 0. One that has not grown as far as its predecessor is told
// by that; for the others there is the id that Kafka gives every topic. It is noted in the store beside the name under which
// the topic's rows are stored, before the first of them: Kafka forgets the group's offsets, and with them the plan, together
// with the topic. Brokers before 2.8 give no ids; and what was stored before ids were noted belongs to the topic that
// is there when the first is.

// topicID asks the partition's leader; "" where it gives none.
func (k *kafkaClient) topicID(ctx context.Context, topic string, partition int32) (string, error) {
	conn, err := k.dialPartition(ctx, topic, partition)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return k.topicIDOver(conn, topic)
}

func (k *kafkaClient) topicIDOver(conn net.Conn, topic string) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(dialTimeout))
	return kafkalog.TopicID(conn, k.transport.ClientID, topic)
}

// epochNow returns the epoch that the topic's log, as it is now, has or should have, going by the ids of the plan's epoch and
// those behind it. It is not known where those of the log are not to be mixed with rows that are stored: it was made anew.
func (w *worker) epochNow(ctx context.Context) (epoch int, known bool, err error) {
	if w.topicID == "" {
		return w.plan.epoch, true, nil
	}
	err = w.retry(ctx, "takeover", func(ctx context.Context) error {
		last := 0
		for epoch = w.plan.epoch; ; epoch++ {
			id, err := w.in.cfg.Store.TopicID(ctx, usage.StoredTopic(w.topic, epoch), w.partition)
			if err != nil {
				return err
			}
			switch {
			case id == w.topicID:
				last = epoch
			case id == "" && last > 0:
				epoch, known = last, true
				return nil
			case id == "":
				known = epoch == w.plan.epoch
				return nil
			}
		}
	})
	return epoch, known, err
}

// noteTopicID is called before anything is stored under the plan's epoch.
func (w *worker) noteTopicID(ctx context.Context) error {
	if w.topicID == "" {
		return nil
	}
	return w.retry(ctx, "takeover", func(ctx context.Context) error {
		id, err := w.in.cfg.Store.TopicID(ctx, w.stored(), w.partition)
		if err != nil || id == w.topicID {
			return err
		}
		return w.in.cfg.Store.NoteTopicID(ctx, w.stored(), w.partition, w.topicID)
	})
}

// sameTopic says whether a new connection leads to the log that was taken over.
func (w *worker) sameTopic(conn net.Conn) error {
	id, err := w.in.kafka.topicIDOver(conn, w.topic)
	if err == nil && id != w.topicID && id != "" && w.topicID != "" {
		err = fmt.Errorf("%w: topic %s was deleted and made anew while it was read; check kafka, then restart to take it over", errStopped, w.topic)
	}
	return err
}
