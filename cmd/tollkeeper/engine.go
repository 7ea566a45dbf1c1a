package main

import (
	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

// newEngineCmd is how the program starts the embedded ClickHouse engine in a child process of itself.
func newEngineCmd() *cobra.Command {
	var c clickhouse.EngineConfig
	cmd := &cobra.Command{
		Use: "engine", Short: "Serve the embedded ClickHouse engine (started by the program itself)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return clickhouse.ServeEngine(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&c.Socket, "socket", "", "unix socket to listen on")
	cmd.Flags().StringVar(&c.DataDir, "path", "", "data folder")
	cmd.Flags().StringVar(&c.Library, "library", "", "path of libchdb")
	return cmd
}
