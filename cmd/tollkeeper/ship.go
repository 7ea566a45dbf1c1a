package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/ingest/ship"
	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/telemetry"
)

func newShipCmd() *cobra.Command {
	var topic, source, stateFile string
	var fromEnd, once, dry, asJSON bool
	var giveUp time.Duration
	cmd := &cobra.Command{
		Use: "ship FILE", Short: "Tail a log file into Kafka, keyed by API key", Args: cobra.ExactArgs(1),
		Long: "Tail a gateway's log file into Kafka. Each line becomes a record under its key's id; keys in clear stay on this\n" +
			"machine. The file may be rotated; the position is kept, so that nothing is lost or counted twice over restarts.\n\n" +
			"A key's id is found with the server's pepper and database. On the server's machine name its --data folder; elsewhere\n" +
			"name a copy of the file pepper with TOLLKEEPER_PEPPER_FILE, and the database with --database.",
		Example: "  tollkeeper ship --dry-run --format nginx /var/log/nginx/api.json\n" +
			"  tollkeeper ship --kafka broker:9092 --format nginx /var/log/nginx/api.json",
	}
	load := settings(cmd)
	concerning(cmd, "kafka", "kafka-tls", "kafka-ca-file", "kafka-cert-file", "kafka-key-file", "kafka-sasl", "kafka-user", "kafka-password", "kafka-listen", "topics", "truncate-ip")
	cmd.Flags().StringVar(&topic, "topic", "", "topic to write to; default: the first of --topics")
	cmd.Flags().StringVar(&source, "source", "", "name of this gateway; default: the host's name")
	cmd.Flags().StringVar(&stateFile, "state-file", "", "where the position is kept; default: FILE.tollkeeper")
	cmd.Flags().BoolVar(&fromEnd, "from-end", false, "on the first run, leave out what is in the file already")
	cmd.Flags().BoolVar(&once, "once", false, "end when what is in the file is shipped")
	cmd.Flags().DurationVar(&giveUp, "give-up", time.Minute, "with --once: end with exit code 1 when Kafka took no lines for so long; 0: wait on")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what the file holds; write nothing to Kafka")
	cmd.Flags().BoolVar(&asJSON, "json", false, "end with one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if !once && cmd.Flags().Changed("give-up") {
			return errors.New("--give-up goes with --once; without that, ship waits for as long as Kafka is away")
		}
		if topic == "" {
			if len(c.Topics) == 0 {
				return errors.New("topic: is empty, and so is --topics; name the topic to write to")
			}
			topic = c.Topics[0]
		}
		brokers := c.Brokers()
		if len(brokers) == 0 {
			brokers = []string{c.KafkaListen}
		}
		log := logger(cmd, c)
		bar := progress(cmd.ErrOrStderr(), "shipping")
		if dry {
			began := time.Now()
			sum, err := app.DryImport(cmd.Context(), c, args, bar.set)
			bar.end()
			switch {
			case err != nil:
				return failed{err}
			case asJSON:
				return json.NewEncoder(cmd.OutOrStdout()).Encode(sum)
			}
			printImport(cmd.OutOrStdout(), sum, time.Since(began), true)
			return nil
		}
		if err := sharesKeys(c); err != nil {
			return err
		}
		security, err := app.KafkaSecurity(c)
		if err != nil {
			return err
		}
		resolver, end, err := app.KeyResolver(cmd.Context(), c, log)
		if err != nil {
			return absent(err)
		}
		defer end()
		decoder := func() (accesslog.Decoder, error) { return app.NewDecoder(c, resolver) }
		if _, err := decoder(); err != nil {
			return err
		}
		var tell func(done, total int64)
		if once {
			tell = bar.set
		}
		s, err := ship.New(ship.Config{
			Once: once, GiveUp: giveUp, Progress: tell,
			File: args[0], StateFile: stateFile, Brokers: brokers, TLS: security.TLS, SASL: security.SASL, Topic: topic, NewDecoder: decoder, Source: source, FromEnd: fromEnd, ShortenIPs: c.TruncateIP,
			Logger: log, Registerer: telemetry.Registry(version, commit()),
		})
		if err != nil {
			return err
		}
		ran := s.Run(cmd.Context())
		bar.end()
		st := s.Status()
		switch {
		case asJSON:
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(st)
		case once && ran == nil:
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d lines shipped, %d of them could not be read and become dead letters\n", st.Shipped, st.Rejected)
		}
		if ran != nil {
			return failed{ran}
		}
		if err == nil && st.Failing != "" {
			err = failed{errors.New("not everything was shipped, the rest follows with the next start: " + st.Failing)}
		}
		return err
	}
	return cmd
}

// sharesKeys refuses a data folder that the server has never used: made anew, its pepper and its database would give every key
// an id that nobody else knows.
func sharesKeys(c config.Config) error {
	missing := func(name string) bool {
		_, err := os.Stat(filepath.Join(c.Data, name))
		return errors.Is(err, fs.ErrNotExist)
	}
	if c.Pepper == "" && missing("pepper") {
		return fmt.Errorf("data: %s holds no file named pepper, without which ship cannot tell whose a line is; name the server's data folder with --data, or a copy of that file with TOLLKEEPER_PEPPER_FILE", c.Data)
	}
	if c.Database == "" && missing("tollkeeper.db") {
		return fmt.Errorf("database: %s holds no database of keys; name the server's with --database, or its data folder with --data", c.Data)
	}
	return nil
}
