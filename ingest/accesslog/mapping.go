package accesslog

// Mapping describes the fields of any JSON log.
type Mapping struct{}
