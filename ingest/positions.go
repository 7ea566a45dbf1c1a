package ingest

import (
	"context"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/ingest/audit"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Positions asks Kafka about every partition of the topics, whichever process of the group owns it. Nothing needs to run.
func (in *Ingester) Positions(ctx context.Context) ([]audit.Position, error) {
	k := in.kafka
	var all []audit.Position
	refused, err := k.refused(ctx, in.cfg.Topics)
	if err != nil {
		return nil, fmt.Errorf("ask Kafka for the topics: %w", err)
	}
	topics := slices.DeleteFunc(slices.Clone(in.cfg.Topics), func(t string) bool {
		if refused[t] != "" {
			all = append(all, audit.Position{Topic: t, End: -1, Committed: -1, LastRow: -1, Stopped: "the topic cannot be read: " + refused[t]})
		}
		return refused[t] != ""
	})
	if len(topics) == 0 {
		return all, nil
	}
	meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("ask Kafka for the partitions: %w", err)
	}
	fetch := map[string][]int{}
	list := map[string][]kafka.OffsetRequest{}
	for _, t := range meta.Topics {
		if t.Error != nil {
			return nil, fmt.Errorf("ask Kafka for the partitions of %s: %w", t.Name, t.Error)
		}
		for _, p := range t.Partitions {
			fetch[t.Name] = append(fetch[t.Name], p.ID)
			list[t.Name] = append(list[t.Name], kafka.FirstOffsetOf(p.ID), kafka.LastOffsetOf(p.ID))
		}
	}
	// Committed first: what is below it was in the log, and in the store, before.
	committed, err := k.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: k.group, Topics: fetch})
	if err == nil {
		err = committed.Error
	}
	if err != nil {
		return nil, fmt.Errorf("ask Kafka for the offsets of group %s: %w", k.group, err)
	}
	bounds, err := k.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: list})
	if err != nil {
		return nil, fmt.Errorf("ask Kafka for the log's ends: %w", err)
	}
	stopped := map[string]string{}
	for _, p := range in.Health().Partitions {
		if p.Stopped {
			stopped[fmt.Sprint(p.Topic, "/", p.Partition)] = p.Waiting
		}
	}
	for topic, ps := range committed.Topics {
		for _, c := range ps {
			i := slices.IndexFunc(bounds.Topics[topic], func(b kafka.PartitionOffsets) bool { return b.Partition == c.Partition })
			if i < 0 || c.Error != nil || bounds.Topics[topic][i].Error != nil {
				return nil, fmt.Errorf("ask Kafka about %s/%d: no answer for it (%w)", topic, c.Partition, c.Error)
			}
			b := bounds.Topics[topic][i]
			p := audit.Position{
				Topic: topic, Partition: int32(c.Partition), First: b.FirstOffset, End: b.LastOffset, Committed: c.CommittedOffset, LastRow: -1,
				Stopped: stopped[fmt.Sprint(topic, "/", c.Partition)],
			}
			if pl, err := parsePlan(c.Metadata, c.CommittedOffset); err == nil {
				p.Topic, p.LastRow, p.StreamMillis = usage.StoredTopic(topic, pl.epoch), pl.lastRow, pl.streamMillis
			}
			all = append(all, p)
		}
	}
	return all, nil
}
