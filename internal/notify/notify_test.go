package notify_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/notify"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestAMessageIsWholeAndSigned(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		n := r.begun(func(c *notify.Config) { c.PublicURL = "https://toll.example/" })
		a := r.raise("key_1", alerts.High)
		r.suspend(a)
		n.settle()
		posts := r.all()
		require.Len(t, posts, 2)
		require.JSONEq(t, `{"type":"alert.action","timestamp":"2023-11-14T22:13:22Z","sent_at":"2023-11-14T22:13:22Z","data":{
			"alert_id":"`+a.ID+`","key_id":"key_1","account_id":"acme","severity":"high","status":"open","action":"suspend","title":"The key is being abused",
			"sentence":"AS64500 was never seen.","note":"suspended until later","by":"detector:abuse",
			"actor":{"asn":64500,"operator":"Example","network":"","country":"NL","agent":"curl","addresses":["192.0.2.7"]},
			"first_seen":"2023-11-14T22:13:21Z","last_seen":"2023-11-14T22:13:20Z","url":"https://toll.example/alerts/`+a.ID+`"}}`, string(posts[1].Raw))
		require.Equal(t, "alert.opened", posts[0].Body.Type)
		require.Empty(t, posts[0].Body.Data.Note)
		for _, p := range posts {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(strings.Join([]string{p.ID, p.Stamp, string(p.Raw)}, ".")))
			require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), p.Signature)
			require.Equal(t, "1700000002", p.Stamp)
		}
		require.NotEqual(t, posts[0].ID, posts[1].ID)
		require.EqualValues(t, 2, n.value("tollkeeper_notify_messages_total", "delivered"))
	})
}

// The vector that the specification's own libraries are tested with.
func TestTheSignatureIsThatOfTheSpecification(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		notify.Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)))
}

func TestTheFirstStartTellsNoHistory(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		old := r.raise("key_old", alerts.High)
		r.suspend(old)
		r.clock.Advance(time.Second)
		n := r.begun()
		require.Empty(t, r.all())
		r.raise("key_new", alerts.High)
		r.suspend(old)
		n.settle()
		require.Equal(t, []string{"opened key_new", "action key_old"}, r.taken())
	})
}

func TestOnlyWhatIsChosenIsTold(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, ada := context.Background(), alerts.By{Actor: "user:ada", Reason: "our own audit"}
		n := r.begun(func(c *notify.Config) { c.Kinds = notify.Kinds; c.MinSeverity = alerts.High })
		r.raise("key_mild", alerts.Medium)
		a := r.raise("key_1", alerts.High)
		r.raise("key_1", alerts.High) // a further finding is no news
		for _, change := range []func(context.Context, string, alerts.By) (alerts.Alert, error){
			r.alerts.Acknowledge, r.alerts.Dismiss, r.alerts.Reopen, r.alerts.Confirm, r.alerts.Close,
		} {
			_, err := change(ctx, a.ID, ada)
			require.NoError(t, err)
		}
		_, err := r.alerts.Comment(ctx, a.ID, "asked them", ada)
		require.NoError(t, err)
		n.settle()
		require.Equal(t, []string{"opened key_1", "dismissed key_1", "reopened key_1", "confirmed key_1", "closed key_1"}, r.taken())
		require.Equal(t, "our own audit", r.all()[1].Body.Data.Note)
		require.Equal(t, "user:ada", r.all()[1].Body.Data.By)

		r.raise("key_mild", alerts.High) // it is told when it becomes worse, from its beginning
		n.settle()
		require.Equal(t, "opened key_mild", r.taken()[5])
	})
}

// changing is a feed whose alerts change in the moment in which they are read.
type changing struct {
	notify.Source
	change func()
}

func (c *changing) Changes(ctx context.Context, after int64, limit int) ([]alerts.Alert, int64, error) {
	list, next, err := c.Source.Changes(ctx, after, limit)
	if len(list) > 0 && c.change != nil {
		c.change()
		c.change = nil
	}
	return list, next, err
}

func TestAnAlertThatChangesMeanwhileIsToldAsItIs(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		feed := &changing{Source: r.alerts}
		n := r.begun(func(c *notify.Config) { c.Alerts = feed })
		a := r.raise("key_1", alerts.High)
		feed.change = func() { r.suspend(a) }
		n.settle()
		require.Equal(t, []string{"opened key_1", "action key_1"}, r.taken())
		require.Equal(t, alerts.Suspend, r.all()[1].Body.Data.Action)
	})
}

func TestAnOutageLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		n := r.begun()
		r.down()
		a := r.raise("key_1", alerts.High)
		n.settle()
		r.suspend(a)
		b := r.raise("key_2", alerts.High)
		for range 20 {
			r.clock.Advance(5 * time.Minute)
			n.settle()
		}
		require.Greater(t, n.value("tollkeeper_notify_oldest_seconds", ""), 3600.0)
		gone, end := context.WithCancel(context.Background())
		end()
		_, err := n.Step(gone)
		require.Error(t, err)
		require.Greater(t, n.value("tollkeeper_notify_oldest_seconds", ""), 3600.0, "also while the database does not answer")
		require.EqualValues(t, 21, n.value("tollkeeper_notify_failed_tries_total", ""))
		require.Equal(t, 1, strings.Count(r.logs.String(), `"level":"WARN"`), r.logs.String())
		require.Contains(t, r.logs.String(), "it cannot be reached: connect: connection refused")

		r.up()
		r.suspend(b)
		r.clock.Advance(5 * time.Minute)
		n.settle()
		require.Equal(t, []string{"opened key_1", "action key_1", "opened key_2", "action key_2"}, r.taken())
		require.Zero(t, n.value("tollkeeper_notify_oldest_seconds", ""))
		require.Contains(t, r.logs.String(), "alerts reach the receiver again")
	})
}

func TestARestartGoesOnWithTheSameIDs(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		n := r.begun()
		r.always(http.StatusServiceUnavailable)
		a := r.raise("key_1", alerts.High)
		n.settle()
		first := r.all()[0]
		n.Leave(context.Background())

		// The next process dies when the receiver has the message, before it is noted.
		ctx, die := context.WithCancel(context.Background())
		r.say(func(p *post, _ http.ResponseWriter) int { die(); <-p.Gone; return http.StatusOK })
		r.suspend(a)
		_, err := r.node().Step(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Eventually(t, func() bool { return len(r.all()) == 2 }, 30*time.Second, time.Millisecond)

		r.ok()
		n = r.node()
		n.settle()
		require.Equal(t, []string{"opened key_1"}, r.taken(), "the dead one still holds the right to send")
		r.clock.Advance(notify.Lease)
		n.settle()
		require.Equal(t, []string{"opened key_1", "opened key_1", "action key_1"}, r.taken())
		for _, p := range r.all()[:3] {
			require.Equal(t, first.ID, p.ID)
			require.Equal(t, first.Body.Data, p.Body.Data)
		}
		require.NotEqual(t, first.ID, r.all()[3].ID)
	})
}

func TestARefusedMessageHoldsUpTheOthersOnlyForAWhile(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusFound} {
		r := newRig(t, sqltest.New(t, "sqlite", notify.Migrations())(t))
		n := r.begun()
		r.say(func(p *post, _ http.ResponseWriter) int {
			if p.Body.Data.KeyID == "key_1" {
				return status
			}
			return http.StatusOK
		})
		r.raise("key_1", alerts.High)
		r.raise("key_2", alerts.High)
		waited := time.Duration(0)
		for n.settle(); len(r.taken()) == 0; n.settle() {
			r.clock.Advance(time.Second)
			waited += time.Second
			require.Less(t, waited, 10*time.Minute)
		}
		require.Equal(t, []string{"opened key_2"}, r.taken())
		require.Len(t, r.all(), notify.Refusals+1)
		require.EqualValues(t, 1, n.value("tollkeeper_notify_messages_total", "refused"))
		require.Equal(t, 1, strings.Count(r.logs.String(), `"level":"WARN"`), r.logs.String())
		require.Equal(t, 1, strings.Count(r.logs.String(), "it is passed by"), r.logs.String())
		require.Contains(t, r.logs.String(), r.all()[0].Body.Data.AlertID)
	}
}

// What says "not now" is waited for, however often.
func TestAReceiverThatIsBusyIsWaitedFor(t *testing.T) {
	for _, status := range []int{http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		r := newRig(t, sqltest.New(t, "sqlite", notify.Migrations())(t))
		n := r.begun()
		r.say(func(_ *post, w http.ResponseWriter) int { w.Header().Set("Retry-After", "1800"); return status })
		r.raise("key_1", alerts.High)
		n.settle()
		r.clock.Advance(1799 * time.Second) // far beyond the longest wait of its own
		n.settle()
		require.Len(t, r.all(), 1)
		for range 3 * notify.Refusals {
			r.clock.Advance(1800 * time.Second)
			n.settle()
		}
		require.Len(t, r.all(), 3*notify.Refusals+1)
		r.ok()
		r.clock.Advance(1800 * time.Second)
		n.settle()
		require.Equal(t, []string{"opened key_1"}, r.taken())
	}
}

func TestOneProcessSendsAtATime(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		here := newRig(t, open(t))
		there := &rig{receiver: here.receiver, db: open(t), alerts: here.alerts, clock: here.clock}
		here.begun()
		here.clock.Advance(notify.Lease) // that process is gone
		quick := func(c *notify.Config) { c.Poll = 5 * time.Millisecond; c.FirstWait = time.Millisecond }
		nodes := []*node{here.node(quick), there.node(quick)}
		var ended sync.WaitGroup
		var stops []context.CancelFunc
		for _, n := range nodes {
			ctx, stop := context.WithCancel(context.Background())
			stops = append(stops, stop)
			ended.Go(func() { require.NoError(t, n.Run(ctx)) })
		}
		defer ended.Wait()
		defer func() { stops[0](); stops[1]() }()
		var want []string
		sends := func(more int) {
			t.Helper()
			for range more {
				k := "key_" + string(rune('a'+len(want)))
				here.raise(k, alerts.High)
				want = append(want, "opened "+k)
			}
			require.Eventually(t, func() bool { return len(here.taken()) >= len(want) }, 20*time.Second, 5*time.Millisecond)
		}
		sends(10)
		// Whoever sends stops: the other goes on at once.
		delivered := func(i int) float64 { return nodes[i].value("tollkeeper_notify_messages_total", "delivered") }
		sender := 0
		if delivered(1) > 0 {
			sender = 1
		}
		stops[sender]()
		sends(10)
		require.Equal(t, want, here.taken(), "in order and none twice")
		require.Eventually(t, func() bool { return delivered(0) == 10 && delivered(1) == 10 }, 30*time.Second, time.Millisecond)
	}, notify.Migrations())
}

func TestWhoeverHasTheRightToSendLosesItOnlyToTimeAndWritesNothingAfterwards(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, now := context.Background(), r.clock.Now()
		a, b := notify.NewMemory(r.db, "a"), notify.NewMemory(r.db, "b")
		require.NoError(t, a.Begin(ctx, 7, now))
		require.NoError(t, b.Begin(ctx, 8, now.Add(time.Second)), "whoever is second changes nothing")
		hold := func(m notify.Memory, at time.Duration, want bool) {
			t.Helper()
			ok, err := m.Hold(ctx, now.Add(at), now.Add(at+notify.Lease))
			require.NoError(t, err)
			require.Equal(t, want, ok)
		}
		hold(a, 0, true)
		hold(b, 0, false)
		hold(a, notify.Lease-1, true)
		hold(b, notify.Lease, false)
		require.NoError(t, a.Add(ctx, 7, 9))
		require.ErrorIs(t, a.Add(ctx, 7, 9), notify.ErrLost, "a change is looked at once")
		hold(b, 2*notify.Lease, true)
		require.ErrorIs(t, a.Add(ctx, 9, 10, notify.Test(now)), notify.ErrLost)
		require.NoError(t, b.Add(ctx, 9, 10))
	})
}

// stopping ends the process in the moment in which it says a thing.
type stopping struct {
	slog.Handler // for what it does not do itself
	says         string
	stop         func()
}

func (s *stopping) Enabled(context.Context, slog.Level) bool { return true }

func (s *stopping) WithAttrs([]slog.Attr) slog.Handler { return s }

func (s *stopping) Handle(_ context.Context, r slog.Record) error {
	if r.Message == s.says {
		s.stop()
	}
	return nil
}

func TestAnEndInOrderRepeatsNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, stop := context.WithCancel(context.Background())
		n := r.begun(func(c *notify.Config) {
			c.Logger = slog.New(&stopping{slog.DiscardHandler, "alerts reach the receiver again", stop})
		})
		r.always(http.StatusInternalServerError)
		r.raise("key_1", alerts.High)
		n.settle()
		r.ok()
		r.clock.Advance(10 * time.Second)
		ctx, late := context.WithTimeout(ctx, 20*time.Second)
		defer late()
		require.NoError(t, n.Run(ctx))
		require.ErrorIs(t, ctx.Err(), context.Canceled, "it has said so")
		r.raise("key_2", alerts.High)
		r.node().settle()
		require.Equal(t, []string{"opened key_1", "opened key_2"}, r.taken())
	})
}

func TestSlackGetsTextThatNobodyCanAbuse(t *testing.T) {
	r := newRig(t, sqltest.New(t, "sqlite", notify.Migrations())(t))
	n := r.begun(func(c *notify.Config) {
		c.PublicURL = "https://toll.example"
		c.Sender = r.sender(func(s *notify.SenderConfig) { s.Format, s.Key = notify.Slack, nil })
	})
	a, err := r.alerts.Raise(t.Context(), alerts.Finding{
		KeyID: "key_1", AccountID: "a&b", Severity: alerts.High, Title: "<!channel> & co", Sentence: "<https://evil.example|click> @channel @ALL @here ada@allied.example", By: "detector:abuse",
	})
	require.NoError(t, err)
	r.suspend(a.Alert)
	n.settle()
	require.Len(t, r.all(), 2)
	require.Empty(t, r.all()[0].Signature)
	var body map[string]string
	require.NoError(t, json.Unmarshal(r.all()[1].Raw, &body))
	require.Equal(t, map[string]string{"text": "*Alert, action taken* (high): &lt;!channel&gt; &amp; co\nKey key_1 of account a&amp;b\n" +
		"&lt;https://evil.example|click&gt; @\u200bchannel @\u200bALL @\u200bhere ada@allied.example\nsuspended until later\n" +
		"<https://toll.example/alerts/" + a.Alert.ID + "|Open the alert>"}, body)
}
