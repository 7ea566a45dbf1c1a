package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tollkeeper/tollkeeper/keys/tokens"
)

// Client is how commands on the same machine reach a running server: whoever may read the data folder may administer it.
type Client struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

const (
	clientName     = "command line on this machine"
	clientLifetime = 90 * 24 * time.Hour
)

func clientFile(dataDir string) string { return filepath.Join(dataDir, "client.json") }

// DemoData is the demo's own folder in a data folder: what it simulates is kept apart.
func DemoData(dataDir string) string { return filepath.Join(dataDir, "demo") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ReadClient reads how to reach the server that runs on a data folder.
func ReadClient(dataDir string) (Client, error) {
	var c Client
	raw, err := os.ReadFile(clientFile(dataDir))
	if err != nil {
		if demo := DemoData(dataDir); exists(clientFile(demo)) {
			return c, fmt.Errorf("no server runs on data folder %s; the demo's is another: add --data %s", dataDir, demo)
		}
		return c, fmt.Errorf("no server runs on data folder %s; start one with 'tollkeeper serve', or name another with --server and --token", dataDir)
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("%s is damaged: %w; start the server again", clientFile(dataDir), err)
	}
	return c, nil
}

// admitClient writes the file that ReadClient reads. Its token works until the server stops; one that a crash left behind in this folder
// is revoked now. Other processes on the same database have folders and tokens of their own.
func (a *App) admitClient(ctx context.Context) error {
	if left, err := ReadClient(a.cfg.Data); err == nil {
		if r, err := a.Tokens.Authenticate(left.Token); err == nil && r.Name == clientName {
			if err := a.Tokens.Revoke(ctx, r.ID, "system:start", ""); err != nil {
				return err
			}
		}
	}
	r, secret, err := a.Tokens.Create(ctx, tokens.New{Name: clientName, Role: tokens.Admin, ExpiresAt: a.now().Add(clientLifetime)}, "system:start", "")
	if err != nil {
		return err
	}
	raw, err := json.Marshal(Client{URL: "http://" + a.listener.Addr().String(), Token: secret})
	if err != nil {
		return fmt.Errorf("client file: %w", err)
	}
	if err := os.WriteFile(clientFile(a.cfg.Data), raw, 0o600); err != nil {
		return fmt.Errorf("client file: %w", err)
	}
	a.cleanups.add("client file", func(ctx context.Context) error {
		_ = os.Remove(clientFile(a.cfg.Data))
		return a.Tokens.Revoke(ctx, r.ID, "system:stop", "")
	})
	return nil
}
