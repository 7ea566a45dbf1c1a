package app

import "io/fs"

func dashboardFiles() (fs.FS, bool) { return nil, false }
