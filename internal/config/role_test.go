package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A process with a part of the work shares Kafka, ClickHouse and the database with the others: none of them may be embedded.
func TestAProcessWithAPartOfTheWorkSharesItsStores(t *testing.T) {
	shared := []string{"--kafka", "k:9092", "--clickhouse", "http://c:8123/tollkeeper", "--database", "postgres://p/tollkeeper"}
	for _, role := range []string{"api", "ingest"} {
		c, err := load(t, nil, append([]string{"--role", role}, shared...)...)
		require.NoError(t, err)
		require.Equal(t, role == "api", c.Answers())
		require.Equal(t, role == "ingest", c.Ingests())

		for i := 0; i < len(shared); i += 2 {
			left := append(append([]string{"--role", role}, shared[:i]...), shared[i+2:]...)
			_, err := load(t, nil, left...)
			require.ErrorContains(t, err, shared[i][2:]+": is empty; a process of the role "+role+" shares it with others")
		}
	}
	c, err := load(t, nil)
	require.NoError(t, err)
	require.True(t, c.Ingests() && c.Answers(), "by default it does everything")
	_, err = load(t, nil, "--role", "worker")
	require.ErrorContains(t, err, `role: "worker" is not one of all, api, ingest`)
}
