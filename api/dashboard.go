package api

import (
	"bytes"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
)

// routeDashboard serves the built page: every asset by its hashed name, for a year; index.html for the few addresses that
// are pages, always asked for again. Files are read once, here.
func (s *Server) routeDashboard(r gin.IRoutes) error {
	if s.cfg.Dashboard == nil {
		return nil
	}
	index, err := fs.ReadFile(s.cfg.Dashboard, "index.html")
	if err != nil {
		return fmt.Errorf("dashboard: %w", err)
	}
	err = fs.WalkDir(s.cfg.Dashboard, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "index.html" {
			return err
		}
		body, err := fs.ReadFile(s.cfg.Dashboard, name)
		if err != nil {
			return err
		}
		kind := mime.TypeByExtension(path.Ext(name))
		cache := "no-cache"
		if strings.HasPrefix(name, "assets/") {
			cache = "public, max-age=31536000, immutable"
		}
		r.GET("/"+name, func(c *gin.Context) {
			c.Header("Cache-Control", cache)
			c.Data(http.StatusOK, kind, body)
		})
		return nil
	})
	if err != nil {
		return fmt.Errorf("dashboard: %w", err)
	}
	page := s.static("text/html; charset=utf-8", index)
	for _, p := range []string{"/", "/login", "/alerts/:alert_id", "/keys", "/keys/:key_id", "/accounts", "/accounts/:account_id"} {
		r.GET(p, page)
	}
	return nil
}

// noRoute answers for addresses that are none.
func (s *Server) noRoute(c *gin.Context) {
	detail := ""
	if c.Request.URL.Path == "/" && bytes.Contains([]byte(c.GetHeader("Accept")), []byte("text/html")) {
		detail = "This program was built without the dashboard; the API is described at /docs."
	}
	s.fail(c, &Error{Code: CodeNotFound, Detail: detail})
}
