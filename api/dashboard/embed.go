//go:build !noui

// Package dashboard holds the built web page. Its sources are in src, `make dashboard` builds them into dist, which is
// committed so that `go build` alone gives a whole program; `make check-dashboard` fails when the two are out of step.
// The build tag noui leaves the page out.
package dashboard

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the page: index.html and assets with hashed names.
func Files() (files fs.FS, built bool) {
	sub, err := fs.Sub(dist, "dist")
	return sub, err == nil
}
