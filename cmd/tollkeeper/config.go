package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/ingest/enrich"
	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/redisrate"
	"github.com/tollkeeper/tollkeeper/keys"
)

func newConfigCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check or print the settings"}
	check := &cobra.Command{
		Use: "check", Short: "Report every problem with the settings; opens nothing but the files they name", Args: cobra.NoArgs,
		Example: "  tollkeeper config check --config tollkeeper.yaml",
	}
	load := settings(check)
	asJSON := check.Flags().Bool("json", false, "print what was found as JSON")
	check.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err == nil {
			if problems := checkFiles(c); len(problems) > 0 {
				err = &config.Error{Problems: problems}
			}
		}
		if *asJSON {
			return checked{}.report(cmd, err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "the settings are valid")
		return nil
	}
	show := &cobra.Command{
		Use: "print", Short: "Print the settings as a file that --config reads, secrets left out", Args: cobra.NoArgs,
	}
	loadShow := settings(show)
	show.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := loadShow()
		if err != nil {
			return err
		}
		fmt.Fprint(cmd.OutOrStdout(), c.Print())
		return nil
	}
	cmd.AddCommand(check, show)
	return cmd
}

// checkFiles reads every file that the settings name, as a start would.
func checkFiles(c config.Config) []config.Problem {
	var problems []config.Problem
	check := func(setting string, err error) {
		if err != nil {
			problems = append(problems, config.Problem{Setting: setting, Text: strings.TrimSpace(err.Error())})
		}
	}
	nobody, err := accesslog.NewHMACResolver(make([]byte, 32)) // no line is read here, so no key is hashed
	options := accesslog.Options{TrustedHops: c.TrustedHops, Keys: nobody}
	if err == nil && c.Mapping != "" {
		options.Mapping, err = accesslog.LoadMapping(c.Mapping)
		check("mapping", err)
	}
	if err == nil {
		_, err = accesslog.New(c.Format, options)
		check("format", err)
	}
	named := func(err error) { // its text begins with the setting
		if err != nil {
			setting, text, _ := strings.Cut(err.Error(), ": ")
			check(setting, errors.New(text))
		}
	}
	_, err = app.KafkaSecurity(c)
	named(err)
	if c.Redis != "" {
		named(redisrate.Check(c.Redis, c.RedisCAFile))
	}
	if c.Pepper != "" {
		_, err := keys.ParsePepper([]byte(c.Pepper))
		check("pepper", err)
	}
	if c.Policy != "" {
		raw, err := os.ReadFile(c.Policy)
		if err == nil {
			_, err = detect.ParsePolicies(raw)
		}
		check("policy", err)
	}
	if _, err := app.Receivers(c, version); err != nil {
		var found *config.Error
		if errors.As(err, &found) {
			problems = append(problems, found.Problems...)
		} else {
			check("notify-receivers", err)
		}
	}
	if c.CountryFile != "" {
		_, err := enrich.New(enrich.Config{CountryFiles: []string{c.CountryFile}})
		check("country-file", err)
	}
	if c.NetworkFile != "" {
		_, err := enrich.New(enrich.Config{ASNFiles: []string{c.NetworkFile}})
		check("network-file", err)
	}
	if c.ClickHouse == "" && c.ClickHouseLibrary != "" {
		_, err := os.Stat(c.ClickHouseLibrary)
		check("clickhouse-library", err)
	}
	return problems
}
