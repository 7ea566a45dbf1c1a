package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// Run joins the group and ingests until ctx ends; then blocks that are being inserted are finished (at most
// InsertTimeout), their offsets committed, and the group is left. It returns nil then. Kafka or the store being away is
// no error: Run waits, and Health says so. So it does about a topic that cannot be read, while the others go on.
func (in *Ingester) Run(ctx context.Context) error {
	defer in.kafka.close()
	defer in.health.left()
	if in.cfg.Instance != "" {
		in.takeOverFromPredecessor(ctx)
	}
	var watch sync.WaitGroup
	watch.Go(func() { in.watchStalls(ctx) })
	defer watch.Wait()
	s := subscription{in: in}
	for s.next(ctx) {
		err := in.runGroup(s.ctx, s.topics)
		s.end()
		if err != nil {
			return err
		}
	}
	return nil
}

// runGroup is a member of the group for those topics until ctx ends.
func (in *Ingester) runGroup(ctx context.Context, topics []string) error {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: in.cfg.Group, Brokers: in.cfg.Brokers, Topics: topics, Dialer: in.kafka.memberDia,
		HeartbeatInterval: in.cfg.HeartbeatInterval, SessionTimeout: in.cfg.SessionTimeout,
		RebalanceTimeout: in.cfg.InsertTimeout + 20*time.Second, JoinGroupBackoff: 500 * time.Millisecond,
		WatchPartitionChanges: true, PartitionWatchInterval: 5 * time.Second, StartOffset: kafka.FirstOffset,
		Timeout: 5 * time.Second,
	})
	if err != nil {
		return fmt.Errorf("join consumer group %s: %w", in.cfg.Group, err)
	}
	var running sync.WaitGroup
	for ctx.Err() == nil {
		gen, err := group.Next(ctx)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, kafka.ErrGroupClosed) {
				in.kafkaAway(err)
			}
			continue
		}
		in.health.joined()
		if !in.told.IsZero() {
			in.told = time.Time{}
			in.log.Info("the consumer group is there again", "group", in.cfg.Group)
		}
		in.runGeneration(ctx, gen, &running)
	}
	in.leave(group, &running)
	return nil
}

// kafkaAway says that the group is waited for. It is tried twice a second: a night without Kafka must not fill the log.
func (in *Ingester) kafkaAway(err error) {
	err = withAdvice(err)
	in.health.kafkaAway(err)
	if now := in.cfg.Now(); in.told.IsZero() || now.Sub(in.told) >= time.Minute {
		in.told = now
		in.log.Warn("waiting for the consumer group", "group", in.cfg.Group, "error", err)
	}
}

func (in *Ingester) takeOverFromPredecessor(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	n, err := in.kafka.evictPredecessor(ctx)
	switch {
	case err != nil:
		in.log.Info("could not look for an earlier run in the group; it will time out by itself", "error", err)
	case n > 0:
		in.log.Info("took over from an earlier run of this instance", "members", n)
	}
}

// runGeneration starts a worker per partition; the group waits for them when the generation ends.
func (in *Ingester) runGeneration(ctx context.Context, gen *kafka.Generation, running *sync.WaitGroup) {
	g := generation{id: int(gen.ID), member: gen.MemberID}
	n := 0
	for _, ps := range gen.Assignments {
		n += len(ps)
	}
	in.metrics.assigned.Set(float64(n))
	in.log.Info("partitions assigned", "generation", g.id, "partitions", n)
	if m := in.divide(n); n > 0 && !m.enough {
		in.log.Warn("so many partitions need more memory than ingest-memory gives; raise it, or run more processes",
			"partitions", n, "ingest_memory_mib", in.cfg.MemoryBytes>>20, "needed_mib", in.needed(n)>>20)
	}
	started := time.Now()
	for topic, ps := range gen.Assignments {
		for _, p := range ps {
			w := newWorker(in, g, topic, int32(p.ID), n)
			running.Add(1)
			gen.Start(func(genCtx context.Context) {
				defer running.Done()
				// The group ends a generation without telling why; the program's own end reaches workers first.
				wctx, cancel := context.WithCancel(ctx)
				defer cancel()
				defer context.AfterFunc(genCtx, cancel)()
				w.run(wctx)
			})
		}
	}
	if n == 0 {
		gen.Start(func(genCtx context.Context) { in.waitIdle(genCtx, gen.GroupID) })
	}
	// A generation that ends at once (an unknown topic, a flapping coordinator) would otherwise spin.
	gen.Start(func(genCtx context.Context) {
		<-genCtx.Done()
		if d := 500*time.Millisecond - time.Since(started); d > 0 {
			sleep(ctx, d)
		}
	})
}

// waitIdle returns, which ends the generation, where this member has no partition because nobody has. The library's leader looked
// for the partitions before the topics were there, as when Kafka is started after this program; and since they were there when
// it began to watch them, it sees no change. Members without a partition where others have some are too many, and wait.
func (in *Ingester) waitIdle(ctx context.Context, group string) {
	for {
		sleep(ctx, in.idleEvery)
		if ctx.Err() != nil {
			return
		}
		if nobody, err := in.kafka.nobodyReads(ctx); err == nil && nobody {
			in.log.Info("no member of the group has a partition; joining it anew", "group", group)
			return
		}
	}
}

// leave lets workers finish, then leaves the group; a join that is under way is cut.
func (in *Ingester) leave(group *kafka.ConsumerGroup, running *sync.WaitGroup) {
	running.Wait()
	closed := make(chan struct{})
	go func() {
		_ = group.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(2 * time.Second):
		in.kafka.members.cut()
		<-closed
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
