package main

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/internal/config"
)

// checked is what a check of a file or of the settings found, for programs.
type checked struct {
	Valid    bool      `json:"valid"`
	Problems []problem `json:"problems"`
	Revision string    `json:"revision,omitempty"` // of a policy file
	Policies []string  `json:"policies,omitempty"` // in order
}

type problem struct {
	Setting string `json:"setting,omitempty"`
	Problem string `json:"problem"`
}

// report prints it as JSON, and returns err for people and for the exit code. Other errors than of what was checked are none of its.
func (c checked) report(cmd *cobra.Command, err error) error {
	c.Valid, c.Problems = err == nil, []problem{}
	if found, ok := errors.AsType[*config.Error](err); ok {
		for _, p := range found.Problems {
			c.Problems = append(c.Problems, problem{p.Setting, p.Text})
		}
	} else if err != nil {
		for line := range strings.Lines(err.Error()) {
			c.Problems = append(c.Problems, problem{Problem: strings.TrimSpace(line)})
		}
	}
	return errors.Join(err, json.NewEncoder(cmd.OutOrStdout()).Encode(c))
}
