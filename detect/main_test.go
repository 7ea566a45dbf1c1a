package detect

import (
	"os"
	"runtime/debug"
	"testing"
)

// Tests make millions of records, and only the last story lives: looking for garbage less often saves an eighth of their time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
