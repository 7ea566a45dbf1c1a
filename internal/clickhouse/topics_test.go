package clickhouse

import "testing"

func TestATopicsIDIsNotedByPartition(t *testing.T) {
	db := openTest(t)
	for range 2 {
		if err := db.NoteTopicID(t.Context(), "logs~2", 3, "0123"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		topic     string
		partition int32
		want      string
	}{{"logs~2", 3, "0123"}, {"logs~2", 4, ""}, {"logs", 3, ""}} {
		if id, err := db.TopicID(t.Context(), c.topic, c.partition); err != nil || id != c.want {
			t.Errorf("TopicID(%s, %d) = %q, %v, want %q", c.topic, c.partition, id, err, c.want)
		}
	}
}
