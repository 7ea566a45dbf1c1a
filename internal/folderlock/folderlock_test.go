package folderlock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAFolderHasOneUserAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	release, err := Acquire(t.Context(), dir, "lock", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(t.Context(), dir, "lock", 0)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.Folder != dir || inUse.PID != os.Getpid() || !strings.Contains(err.Error(), "--data") {
		t.Errorf("a second user: %v", err)
	}
	other, err := Acquire(t.Context(), dir, "other.lock", 0)
	if err != nil {
		t.Fatalf("locks of different names are in each other's way: %v", err)
	}
	other()
	release()
	again, err := Acquire(t.Context(), dir, "lock", 0)
	if err != nil {
		t.Fatalf("a released lock is held on: %v", err)
	}
	again()
}

func TestALockCanBeWaitedFor(t *testing.T) {
	dir := t.TempDir()
	release, err := Acquire(t.Context(), dir, "lock", 0)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(2*retryEvery, release)
	second, err := Acquire(t.Context(), dir, "lock", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer second()
	ctx, cancel := context.WithTimeout(t.Context(), retryEvery)
	defer cancel()
	var inUse *InUseError
	if _, err := Acquire(ctx, dir, "lock", time.Hour); !errors.As(err, &inUse) {
		t.Errorf("an ended wait: %v", err)
	}
}

func TestAFolderThatIsAFileIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(t.Context(), file, "lock", 0); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "--data") {
		t.Errorf("a file in the folder's place: %v", err)
	}
}
