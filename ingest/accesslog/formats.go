package accesslog

// FormatInfo describes a format for people.
type FormatInfo struct {
	Name        string
	Gateway     string
	Description string
	Configure   string // what to set in the gateway: a snippet of its configuration
}

type format struct {
	FormatInfo
	make func(*core) (Decoder, error)
}

// Formats lists the formats that New knows, auto first.
func Formats() []FormatInfo {
	var out []FormatInfo
	for _, f := range registry() {
		out = append(out, f.FormatInfo)
	}
	return out
}

func ofJSON(spec func() *jsonSpec) func(*core) (Decoder, error) {
	return func(c *core) (Decoder, error) { return newJSONDecoder(c, spec()) }
}

func registry() []format {
	return []format{
		{FormatInfo{"tollkeeper", "your own services", "Tollkeeper's own JSON, one record a line", ""}, ofJSON(tollkeeperSpec)},
		{FormatInfo{"nginx", "nginx", "JSON by log_format with escape=json", ""}, ofJSON(nginxSpec)},
		{FormatInfo{"combined", "nginx, Apache", "the combined log format", ""}, newCombined},
		{FormatInfo{"kong", "Kong", "", ""}, ofJSON(kongSpec)},
	}
}
