package clickhousetest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	ServeIfEngine()
	goleak.VerifyTestMain(m)
}

func TestAnyTestBinaryCanServeTheEngine(t *testing.T) {
	if err := Open(t).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}
