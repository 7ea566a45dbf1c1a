package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/zeebo/xxh3"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/ingest"
	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/broker"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/quotas"
)

func (a *App) openQuotas(ctx context.Context) error {
	var err error
	a.Quotas, err = quotas.New(ctx, quotas.Config{
		DB: a.SQL, Source: usageSource{a.Events, a}, Accounts: keyAccounts{a}, Now: a.now, Logger: a.Log, Registerer: a.Registry,
		OnThreshold: a.thresholdReached, Audit: a.Keys.Audit(), AllAccounts: a.allAccounts,
	})
	if err != nil {
		return err
	}
	a.Counter = a.Quotas.Counter()
	if !a.tool {
		a.run("quotas", a.Quotas.Run)
	}
	return nil
}

func (a *App) openDetection(ctx context.Context) error {
	a.policies = newPolicyFile(a)
	policies, err := a.policies.load(ctx)
	if err != nil {
		return err
	}
	a.enforcer = newEnforcer(a)
	a.detection = &detection{
		log: a.Log, events: a.Events, alerts: a.Alerts, cfg: detect.Config{Policies: policies, Attributes: a.Attributes}, now: a.now, decided: a.enforcer.take, maxKeys: a.cfg.DetectKeys, figures: newRemembered(a.Registry),
		partitions: map[partitionID]*watch{},
	}
	a.enforcer.caps, a.enforcer.refused = a.detection.caps, a.detection.refused
	a.run("enforcer", a.enforcer.run)
	a.run("detection clock", a.detection.tick)
	a.run("verdicts", a.detection.learn)
	a.run("policy file", a.reloadPolicies)
	return nil
}

// openLog starts the embedded broker, unless an external one is set, and makes sure that the topics exist.
func (a *App) openLog(ctx context.Context) error {
	topics := map[string]int{}
	for _, t := range append(append([]string{}, a.cfg.Topics...), a.cfg.RekeyTopics...) {
		topics[t] = a.cfg.KafkaPartitions
	}
	if len(a.cfg.RekeyTopics) > 0 {
		topics[rekeyedTopic] = a.cfg.KafkaPartitions
	}
	if a.brokers = a.cfg.Brokers(); len(a.brokers) > 0 {
		var err error
		if a.security, err = KafkaSecurity(a.cfg); err != nil {
			return err
		}
		if a.security.TLS == nil && a.cfg.KafkaSASL == "plain" {
			a.Log.Warn("the password for kafka goes over the network in clear: kafka-sasl is plain, and kafka-tls is not set")
		}
		if err := broker.EnsureTopics(ctx, a.brokers, a.security, topics); err != nil {
			// An absent broker is waited for, not a reason to stop: ingest says so on /readyz.
			a.Log.Warn("the topics cannot be checked yet; trying until they can", "err", err)
			a.run("topics", func(ctx context.Context) error { a.ensureTopics(ctx, topics); return nil })
		}
		return nil
	}
	b, err := broker.Start(ctx, broker.Config{
		Dir: a.path("kafka"), Addr: a.cfg.KafkaListen, Topics: topics, Logger: a.Log,
		RetentionAge: a.cfg.KafkaRetention, RetentionBytes: int64(a.cfg.KafkaRetentionSize) << 20,
	})
	if err != nil {
		return err
	}
	a.cleanups.add("embedded broker", func(context.Context) error { return b.Close() })
	a.brokers = []string{b.Addr()}
	return nil
}

// ensureTopics tries until the topics exist or ctx ends: a broker that comes later would make them with its own default of
// partitions, or not at all.
func (a *App) ensureTopics(ctx context.Context, topics map[string]int) {
	const every, tell = 2 * time.Second, 30
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		err := broker.EnsureTopics(ctx, a.brokers, a.security, topics)
		if err == nil {
			a.Log.Info("the topics are there", "topics", slices.Sorted(maps.Keys(topics)))
			return
		}
		if n%tell == 0 && ctx.Err() == nil {
			a.Log.Warn("the topics cannot be checked yet", "err", err)
		}
	}
}

func (a *App) openIngest(context.Context) error {
	if _, err := a.Decoder(); err != nil {
		return err // a wrong format or mapping is found now, not with the first line
	}
	a.observed = newObservedKeys(a)
	escapes := newEscapes(a)
	var err error
	topics, rekeyed := a.cfg.Topics, []string(nil)
	if len(a.cfg.RekeyTopics) > 0 {
		rekeyed = []string{rekeyedTopic}
		topics = append(append([]string{}, topics...), rekeyedTopic)
	}
	a.Ingester, err = ingest.New(ingest.Config{
		Brokers: a.brokers, TLS: a.security.TLS, SASL: a.security.SASL, Topics: topics, Group: a.cfg.Group, Instance: a.instance(), Store: a.Events,
		NewDecoder: func(topic string) (ingest.Decoder, error) {
			if topic == rekeyedTopic {
				return accesslog.New("tollkeeper", accesslog.Options{Keys: a.Verifier, Origins: true})
			}
			return a.Decoder()
		},
		Rekeyed: rekeyed, Rekeying: a.cfg.RekeyTopics, RekeyGroup: a.rekeyGroup(), Enrich: a.Enricher.Fill, ShortenIPs: a.cfg.TruncateIP, Observers: []ingest.Observer{a.detection, a.Counter, a.observed, escapes},
		MemoryBytes: int64(a.cfg.IngestMemory) << 20, DedupWindow: dedupWindow(a.cfg.DedupWindow), OnGap: a.cfg.OnGap, Replay: a.cfg.Replay,
		Logger: a.Log, Now: a.now,
		Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"stage": "ingest"}, a.Registry), // re-keying has its own
	})
	if err != nil {
		return err
	}
	if !a.cfg.Ingests() { // then it is asked how far others are, and replays dead letters
		return nil
	}
	a.run("observed keys", a.observed.run)
	a.run("escapes", escapes.run)
	a.run("ingest", a.Ingester.Run)
	if err := a.openRekeying(); err != nil {
		return err
	}
	a.run("sealing", a.seal)
	return nil
}

// instance is this process's name in the consumer groups. The data folder has one user, so the name is unique among running
// processes; and it is the same after a restart, which then takes its partitions over at once.
func (a *App) instance() string {
	host, _ := os.Hostname()
	dir, _ := filepath.Abs(a.cfg.Data)
	return fmt.Sprintf("%s-%08x", host, uint32(xxh3.HashString(dir)))
}

// rekeyedTopic carries what came in topics that the gateway does not key by API key.
const rekeyedTopic = "tollkeeper-rekeyed"

func (a *App) rekeyGroup() string { return a.cfg.Group + "-rekey" }

func (a *App) openRekeying() error {
	if len(a.cfg.RekeyTopics) == 0 {
		return nil
	}
	var err error
	a.rekeyer, err = ingest.NewRekeyer(ingest.RekeyConfig{
		Brokers: a.brokers, TLS: a.security.TLS, SASL: a.security.SASL, Topics: a.cfg.RekeyTopics, Target: rekeyedTopic, Group: a.rekeyGroup(), Instance: a.instance(),
		Store:      a.Events,
		NewDecoder: func(string) (ingest.Decoder, error) { return a.Decoder() }, ShortenIPs: a.cfg.TruncateIP, OnGap: a.cfg.OnGap, Replay: a.cfg.Replay, Logger: a.Log, Now: a.now,
		Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"stage": "rekey"}, a.Registry),
	})
	if err != nil {
		return err
	}
	a.run("re-keying", a.rekeyer.Run)
	return nil
}

// dedupWindow translates "off", which is 0 in the settings and negative in ingest.
func dedupWindow(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// seal closes hours once they are over for the grace time, and closes them again when late records came.
func (a *App) seal(ctx context.Context) error {
	const every = 30 * time.Second
	for {
		if err := a.SealDue(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("hours could not be sealed; the next try follows", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// sealDue is the time before which hours are to be sealed.
func (a *App) sealDue() time.Time { return a.now().UTC().Add(-a.cfg.SealGrace).Truncate(time.Hour) }

// lateSince is how far back late records are looked for: as long as there are events to seal from.
func (a *App) lateSince() time.Time { return a.now().UTC().AddDate(0, 0, min(-1, 2-a.cfg.EventsDays)) }

// SealDue seals every hour that is due, in order, and those that late records reopened.
func (a *App) SealDue(ctx context.Context) error {
	return a.Events.SealDue(ctx, a.sealDue(), a.lateSince())
}

// Import pushes log files straight into ClickHouse. Detection does not see them: old records are for backtest.
func (a *App) Import(ctx context.Context, files []string, progress func(done, total int64)) (ingest.ImportSummary, error) {
	return ingest.Import(ctx, ingest.ImportConfig{
		Store: a.Events, NewDecoder: func() (ingest.Decoder, error) { return a.Decoder() }, Enrich: a.Enricher.Fill, ShortenIPs: a.cfg.TruncateIP,
		DedupWindow: dedupWindow(a.cfg.DedupWindow), Registerer: a.Registry, Now: a.now, Progress: progress,
	}, files...)
}

// DryImport says what Import would make of log files. It opens no store and makes no file: whose a call is does not count here.
func DryImport(ctx context.Context, c config.Config, files []string, progress func(done, total int64)) (ingest.ImportSummary, error) {
	resolver, err := accesslog.NewHMACResolver([]byte("tollkeeper dry run"))
	if err != nil {
		return ingest.ImportSummary{}, err
	}
	return ingest.Import(ctx, ingest.ImportConfig{
		Dry: true, NewDecoder: func() (ingest.Decoder, error) { return NewDecoder(c, resolver) }, DedupWindow: dedupWindow(c.DedupWindow), Progress: progress,
	}, files...)
}

// ready names what ingest waits for.
func (a *App) ingestReady(context.Context) error {
	if h := a.Ingester.Health(); !h.Ready {
		return errors.New(h.Reason)
	}
	if a.rekeyer != nil {
		if h := a.rekeyer.Health(); !h.Ready {
			return errors.New("re-keying: " + h.Reason)
		}
	}
	return nil
}
