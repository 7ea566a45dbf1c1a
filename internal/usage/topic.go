package usage

import (
	"strconv"
	"strings"
)

// epochSign stands before the number of a topic's epoch. Kafka allows it in no topic's name.
const epochSign = "~"

// StoredTopic is the name under which the rows of a topic's partition are stored. A topic that was deleted and made anew
// starts again at offset 0, so its rows get a name of their own, by its epoch, of which the first is 1: else the offsets of
// its predecessor would look landed.
func StoredTopic(topic string, epoch int) string {
	if epoch <= 1 {
		return topic
	}
	return topic + epochSign + strconv.Itoa(epoch)
}

// KafkaTopic is the reverse of [StoredTopic].
func KafkaTopic(stored string) (topic string, epoch int) {
	if base, n, ok := strings.Cut(stored, epochSign); ok {
		if e, err := strconv.Atoi(n); err == nil && e > 1 {
			return base, e
		}
	}
	return stored, 1
}
