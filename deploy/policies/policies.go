// Package policies holds the example of a policy file, in which every field is explained.
package policies

import _ "embed"

// Example is a valid policy file.
//
//go:embed example.yaml
var Example string
