package app

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/notify"
)

// Receiver is somebody who is told of alerts.
type Receiver struct {
	config.Receiver
	Sender *notify.Sender
}

// Receivers makes what the settings say about whom to tell of alerts. It reads the files that they name and opens nothing else.
// The error is a *config.Error; it holds no secret.
func Receivers(c config.Config, version string) ([]Receiver, error) {
	settings, err := c.Receivers()
	if err != nil {
		return nil, err
	}
	list := make([]Receiver, 0, len(settings))
	var problems []config.Problem
	for _, r := range settings {
		bad := func(err error) {
			problems = append(problems, config.Problem{Setting: "notify-receivers", Text: fmt.Sprintf("%s: families: %v", r.Name, err)})
		}
		for _, name := range r.Families {
			var f detect.Family
			if err := f.UnmarshalText([]byte(name)); err != nil {
				bad(err)
			}
		}
		s, err := notify.NewSender(notify.SenderConfig{URL: r.URL, Key: r.Key, Routing: r.RoutingKey, Format: r.Format, Version: version})
		if err != nil { // cannot be: the address has been checked
			return nil, err
		}
		list = append(list, Receiver{r, s})
	}
	if len(problems) > 0 {
		return nil, &config.Error{Problems: problems}
	}
	return list, nil
}

// readReceivers comes before anything is opened: what is wrong with their files is a mistake in the settings.
func (a *App) readReceivers(context.Context) (err error) {
	a.receivers, err = Receivers(a.cfg, a.version)
	return err
}

// openNotifications tells the receivers of alerts, if there are any.
func (a *App) openNotifications(context.Context) error {
	for i := range a.receivers {
		r := &a.receivers[i]
		n := notify.New(notify.Config{
			DB: a.SQL, Name: r.Name, Alerts: a.Alerts, Sender: r.Sender, Kinds: r.On, MinSeverity: alerts.Severity(r.Severity), Families: r.Families,
			PublicURL: a.cfg.PublicURL, Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"receiver": r.Name}, a.Registry), Logger: a.Log, Now: a.now,
		})
		a.run("notifications to "+r.Name, n.Run)
		a.Log.Info("alerts are told to a receiver", "receiver", r.Name, "host", r.Sender.Host(), "format", r.Format, "on", r.On, "severity", r.Severity, "families", r.Families)
	}
	return nil
}

// ListReceivers implements api.Receivers.
func (a *App) ListReceivers(ctx context.Context) ([]gen.Receiver, error) {
	out := make([]gen.Receiver, 0, len(a.receivers))
	for i := range a.receivers {
		r := &a.receivers[i]
		st, err := notify.StateOf(ctx, a.SQL, r.Name)
		if err != nil {
			return nil, err
		}
		state := gen.ReceiverState("ok")
		switch {
		case st.Problem != "" && st.Waiting > 0:
			state = "failing"
		case st.Problem != "":
			state = "refused"
		}
		out = append(out, gen.Receiver{
			Name: r.Name, Host: r.Sender.Host(), Format: r.Format, On: r.On, Severity: gen.Severity(r.Severity), Families: r.Families, State: state,
			Waiting: st.Waiting, OldestAt: st.OldestAt, Delivered: st.Delivered, DeliveredAt: st.DeliveredAt, Refused: st.Refused, Problem: st.Problem, ProblemAt: st.ProblemAt,
		})
	}
	return out, nil
}
