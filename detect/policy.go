package detect

// Policies say what is done about findings.
type Policies struct{}

type tolerance struct{}
