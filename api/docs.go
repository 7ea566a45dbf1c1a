package api

func renderDocs(*description) ([]byte, error) { return nil, nil }
