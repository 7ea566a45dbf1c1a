package ingest

func redact(line []byte, limit int) []byte { return nil }
