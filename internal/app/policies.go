package app

import (
	"fmt"
	"os"

	"github.com/tollkeeper/tollkeeper/detect"
)

// loadPolicies reads the policy file; nil is the built-in policy.
func loadPolicies(path string) (*detect.Policies, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // detect's own word for the built-in policy
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("policy: cannot read the file: %w", err)
	}
	p, err := detect.ParsePolicies(raw)
	if err != nil {
		return nil, fmt.Errorf("policy: %s: %w", path, err)
	}
	return p, nil
}
