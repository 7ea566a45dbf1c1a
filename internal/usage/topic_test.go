package usage

import (
	"testing"

	"pgregory.net/rapid"
)

func TestTheNameOfStoredRowsTellsTopicAndEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topic, epoch := rapid.StringMatching(`[a-zA-Z0-9._-]{1,20}`).Draw(t, "topic"), rapid.IntRange(1, 1000).Draw(t, "epoch")
		stored := StoredTopic(topic, epoch)
		if back, at := KafkaTopic(stored); back != topic || at != epoch {
			t.Fatalf("%s is read as %s of epoch %d", stored, back, at)
		}
	})
}
