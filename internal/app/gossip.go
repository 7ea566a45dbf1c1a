package app

import (
	"sync"

	"github.com/tollkeeper/tollkeeper/detect"
)

// ear is what a partition's engine has been told by those of others and has not taken yet. Its own lock, so that whoever tells does not wait for a batch that
// is being judged there.
type ear struct {
	mu    sync.Mutex
	heard []detect.Blame
}

func (r *ear) tell(found []detect.Blame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, found...)
}

func (r *ear) take() []detect.Blame {
	r.mu.Lock()
	defer r.mu.Unlock()
	heard := r.heard
	r.heard = nil
	return heard
}

// tell passes on to the other partitions of this process who was found abusing a key: a thief who took many has some in all of them. It is called without
// any lock.
func (d *detection) tell(by *watch, found []detect.Blame) {
	if len(found) == 0 {
		return
	}
	for _, w := range d.all() {
		if w != by {
			w.ear.tell(found)
		}
	}
}
