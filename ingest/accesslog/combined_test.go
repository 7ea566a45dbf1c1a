package accesslog

import (
	"bufio"
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestEveryLineOfARealApacheLogIsCounted(t *testing.T) {
	file, err := os.Open(sharedFile(t, "logs", "apache_combined.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, format := range []string{"combined", "apache", "auto"} {
		if _, err := file.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		d := newDecoder(t, format, Options{})
		var b usage.Batch
		inFile := map[string]int{}
		statusOf := regexp.MustCompile(`" (\d{3}) (\d+|-)`)
		lines := 0
		for sc := bufio.NewScanner(file); sc.Scan(); lines++ {
			if err := d.Decode(sc.Bytes(), Origin{Offset: int64(lines)}, &b); err != nil {
				t.Errorf("%s: line %d: %v", format, lines+1, err)
			}
			inFile[string(statusOf.FindSubmatch(sc.Bytes())[1])]++
		}
		if lines != 10000 || b.Len() != lines {
			t.Errorf("%s: %d lines, %d records", format, lines, b.Len())
		}
		inBatch := map[string]int{}
		for _, s := range b.Status {
			inBatch[string(bytes.TrimSpace([]byte{byte('0' + s/100), byte('0' + s/10%10), byte('0' + s%10)}))]++
		}
		for status, n := range inFile {
			if inBatch[status] != n {
				t.Errorf("%s: %d records of status %s, the file has %d", format, inBatch[status], status, n)
			}
		}
		if len(b.Route.Values) > 201 {
			t.Errorf("%s: %d routes, the cap for the anonymous caller is 200 and {other}", format, len(b.Route.Values))
		}
	}
}
