package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/policystore"
)

// policyFile is the policy file: which of its revisions is in force, and what is wrong with it as it is now.
type policyFile struct {
	path    string
	store   *policystore.Store
	invalid prometheus.Gauge

	mu       sync.Mutex
	revision string
	problem  string
}

func newPolicyFile(a *App) *policyFile {
	f := &policyFile{
		path: a.cfg.Policy, store: policystore.New(a.SQL, a.Keys.Audit(), a.now), revision: detect.DefaultPolicies().Revision,
		invalid: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tollkeeper_policy_file_invalid", Help: "1 while the policy file as it is now is not valid and an earlier one is in force.",
		}),
	}
	a.Registry.MustRegister(f.invalid)
	return f
}

// load reads the file and notes that it is in force; nil is the built-in policies.
func (f *policyFile) load(ctx context.Context) (*detect.Policies, error) {
	if f.path == "" {
		return nil, nil //nolint:nilnil // detect's own word for the built-in policies
	}
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("policy: cannot read the file: %w", err)
	}
	p, err := detect.ParsePolicies(raw)
	if err != nil {
		return nil, fmt.Errorf("policy: %s: %w", f.path, err)
	}
	host, _ := os.Hostname()
	if err := f.store.Loaded(ctx, p.Revision, string(raw), host); err != nil {
		return nil, errors.Join(errNotKept, err)
	}
	f.say(p.Revision, nil)
	return p, nil
}

// errNotKept says that the file is good, and that the database does not answer: it is tried again.
var errNotKept = errors.New("the policy file cannot be put into force while the database is away")

func (f *policyFile) say(revision string, problem error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if problem != nil {
		f.problem = problem.Error()
		f.invalid.Set(1)
		return
	}
	f.revision, f.problem = revision, ""
	f.invalid.Set(0)
}

// inForce is the revision in force.
func (f *policyFile) inForce() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.revision
}

// goneLooks is after how many looks at a file that is not there it is gone: an editor may just be putting another in its place.
const goneLooks = 2

// reloadPolicies reads the policy file again when it changes, until ctx ends. A file that is not valid leaves the policies as
// they are and says so, in the log, in a metric and over the API.
func (a *App) reloadPolicies(ctx context.Context) error {
	f := a.policies
	if f.path == "" {
		<-ctx.Done()
		return nil
	}
	stamp := func() (t time.Time, size int64) {
		if info, err := os.Stat(f.path); err == nil {
			t, size = info.ModTime(), info.Size()
		}
		return t, size
	}
	last, lastSize := stamp()
	gone := 0 // for how many looks
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, size := stamp()
		if now.IsZero() {
			if gone++; gone == goneLooks {
				f.say("", fmt.Errorf("policy: %s is gone", f.path))
				a.Log.Error("the policy file is gone; the policies stay as they were until this process ends", "file", f.path)
			}
			continue
		}
		if now.Equal(last) && size == lastSize && gone < goneLooks {
			gone = 0
			continue
		}
		gone = 0
		before := f.inForce()
		p, err := f.load(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			f.say("", err)
			a.Log.Error("the changed policy file is not valid; the policies stay as they were", "err", err)
		} else {
			a.detection.setPolicies(p)
			if p.Revision == before {
				a.Log.Info("the policy file is as it was; the policies have not changed", "file", f.path, "revision", p.Revision)
			} else {
				a.Log.Info("policies changed", "file", f.path, "revision", p.Revision)
			}
		}
		if !errors.Is(err, errNotKept) {
			last, lastSize = now, size
		}
	}
}

// ListPolicies implements api.Policies.
func (f *policyFile) ListPolicies(ctx context.Context) (gen.PolicyList, error) {
	list, err := f.store.List(ctx, 200)
	if err != nil {
		return gen.PolicyList{}, err
	}
	f.mu.Lock()
	out := gen.PolicyList{InForce: f.revision, Problem: f.problem}
	f.mu.Unlock()
	for i := range list {
		out.Items = append(out.Items, toRevision(&list[i], out.InForce))
	}
	return out, nil
}

// GetPolicy implements api.Policies.
func (f *policyFile) GetPolicy(ctx context.Context, revision string) (gen.PolicyRevision, error) {
	r, err := f.store.Get(ctx, revision)
	if errors.Is(err, policystore.ErrNotFound) {
		return gen.PolicyRevision{}, errors.Join(api.ErrNotFound, err)
	}
	if err != nil {
		return gen.PolicyRevision{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return toRevision(&r, f.revision), nil
}

func toRevision(r *policystore.Revision, inForce string) gen.PolicyRevision {
	return gen.PolicyRevision{Revision: r.Revision, Content: r.Content, FirstAt: r.FirstAt, LastAt: r.LastAt, Host: r.Host, InForce: r.Revision == inForce}
}

func (d *detection) setPolicies(p *detect.Policies) {
	d.mu.Lock()
	d.cfg.Policies = p
	d.mu.Unlock()
	for _, w := range d.all() {
		w.mu.Lock()
		w.engine.SetPolicies(p)
		w.mu.Unlock()
	}
}
