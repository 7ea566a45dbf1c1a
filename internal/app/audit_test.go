package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/ingest/audit"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

func TestAReportSaysOfRecordsThatAreTooOldWhetherTheyCount(t *testing.T) {
	hour := time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)
	got := auditAnswer(audit.Report{TooOld: clickhouse.TooOld{Records: 7, Hours: 3, First: []clickhouse.OldHour{
		{Hour: hour, Records: 1}, {Hour: hour.Add(time.Hour), Records: 4, Sealed: true},
	}}})
	require.Equal(t, gen.TooOldRecords{Records: 7, Hours: 3, First: []gen.TooOldHour{
		{Hour: hour, Records: 1, Counted: true}, {Hour: hour.Add(time.Hour), Records: 4},
	}}, got.TooOld)
}
