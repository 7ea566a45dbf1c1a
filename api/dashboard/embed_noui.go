//go:build noui

// Package dashboard is left out of this build.
package dashboard

import "io/fs"

// Files says that there is no page.
func Files() (files fs.FS, built bool) { return nil, false }
