package kafkalog

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"

	"github.com/segmentio/kafka-go"
)

const (
	versionsKey                        = 18
	metadataKey, metadataVersion       = 3, 10
	maxMetadataBytes                   = 64 << 20 // all brokers and one topic's partitions
	versionsRequestID, metadataRequest = 1, 2
)

// TopicID asks a broker for the id that it gave the topic when it was made, in hexadecimal: one that is deleted and made
// anew has another. It is "" where the broker, older than 2.8, gives none. The connection is one on which nothing is
// outstanding; after an error that is no [kafka.Error] it is of no more use.
//
// The client library's Metadata ends at version 8, which has no ids (https://kafka.apache.org/protocol#The_Messages_Metadata).
func TopicID(conn net.Conn, clientID, topic string) (string, error) {
	knows, err := knowsTopicIDs(conn, clientID)
	if err != nil || !knows {
		return "", err
	}
	b := append(request(metadataKey, metadataVersion, metadataRequest, clientID), 0) // no tagged fields
	b = append(b, 2)                                                                 // one topic
	b = append(b, make([]byte, 16)...)                                               // by its name
	b = binary.AppendUvarint(b, uint64(len(topic))+1)
	b = append(b, topic...)
	b = append(b, 0, 0, 0, 0, 0) // not to be created, no operations, no tagged fields
	d, err := ask(conn, b, metadataRequest)
	if err != nil {
		return "", fmt.Errorf("ask for the id of topic %s: %w", topic, err)
	}
	d.tags()
	d.skip(4) // throttled for
	for range d.length() {
		d.skip(4) // number
		d.skip(d.length())
		d.skip(4) // port
		d.skip(d.length())
		d.tags()
	}
	d.skip(d.length()) // cluster
	d.skip(4)          // controller
	topics := d.length()
	code := kafka.Error(int16(d.uint16()))
	d.skip(d.length())
	id := d.take(16)
	switch {
	case d.bad || topics != 1:
		return "", fmt.Errorf("ask for the id of topic %s: %w", topic, errAnswer)
	case code != 0:
		return "", fmt.Errorf("ask for the id of topic %s: %w", topic, code)
	case [16]byte(id) == [16]byte{}:
		return "", nil
	}
	return hex.EncodeToString(id), nil
}

func knowsTopicIDs(conn net.Conn, clientID string) (bool, error) {
	d, err := ask(conn, request(versionsKey, 0, versionsRequestID, clientID), versionsRequestID)
	if err != nil {
		return false, fmt.Errorf("ask for the broker's versions: %w", err)
	}
	if code := kafka.Error(int16(d.uint16())); code != 0 {
		return false, fmt.Errorf("ask for the broker's versions: %w", code)
	}
	for n := d.uint32(); n > 0 && !d.bad; n-- {
		key, _, most := d.uint16(), d.uint16(), d.uint16()
		if key == metadataKey {
			return !d.bad && most >= metadataVersion, nil
		}
	}
	return false, fmt.Errorf("ask for the broker's versions: %w", errAnswer)
}

// request is the head of one; its length is set by ask.
func request(key, version uint16, id uint32, clientID string) []byte {
	be := binary.BigEndian
	b := be.AppendUint16(make([]byte, 4, 128), key)
	b = be.AppendUint16(b, version)
	b = be.AppendUint32(b, id)
	return appendString(b, clientID)
}

func ask(conn net.Conn, request []byte, id uint32) (*decoder, error) {
	be := binary.BigEndian
	be.PutUint32(request, uint32(len(request)-4))
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	size := int(int32(be.Uint32(head[:]))) - 4
	if be.Uint32(head[4:]) != id || size < 0 || size > maxMetadataBytes {
		return nil, errAnswer
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(conn, b); err != nil {
		return nil, err
	}
	return &decoder{b: b}, nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// length reads that of a compact string or array; null has none. It is never more than there are bytes left.
func (d *decoder) length() int {
	v := d.uvarint()
	if v == 0 {
		return 0
	}
	if v-1 > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return 0
	}
	return int(v - 1)
}

func (d *decoder) tags() {
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		d.uvarint()
		d.skip(int(min(d.uvarint(), maxMetadataBytes+1)))
	}
}
