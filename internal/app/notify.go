package app

import (
	"context"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/notify"
)

// NotifySender makes what the settings say about whom to tell of alerts. It opens nothing.
func NotifySender(c config.Config, version string) (*notify.Sender, error) {
	key, err := c.NotifyKey()
	if err != nil {
		return nil, err // it has been checked with the settings
	}
	return notify.NewSender(notify.SenderConfig{URL: c.NotifyURL, Key: key, Format: c.NotifyFormat, Version: version})
}

// openNotifications tells the receiver of alerts, if there is one.
func (a *App) openNotifications(context.Context) error {
	if a.cfg.NotifyURL == "" {
		return nil
	}
	sender, err := NotifySender(a.cfg, a.version)
	if err != nil {
		return err
	}
	n := notify.New(notify.Config{
		DB: a.SQL, Alerts: a.Alerts, Sender: sender, Kinds: a.cfg.NotifyOn, MinSeverity: alerts.Severity(a.cfg.NotifySeverity), PublicURL: a.cfg.PublicURL,
		Registerer: a.Registry, Logger: a.Log, Now: a.now,
	})
	a.run("notifications", n.Run)
	a.Log.Info("alerts are told to a receiver", "host", sender.Host(), "on", a.cfg.NotifyOn, "severity", a.cfg.NotifySeverity)
	return nil
}
