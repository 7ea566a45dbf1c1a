// Package config holds every setting of the program in one struct: its name, its default, what it is for and what makes it
// invalid.
//
// A setting has one name everywhere: --kafka-listen on the command line, TOLLKEEPER_KAFKA_LISTEN in the environment and
// kafka-listen in the YAML file. The command line wins over the environment, the environment over the file, the file over
// the default. All problems are reported at once, each by the setting's name. Loading reads files but opens nothing
// else, so `config check` works offline.
package config

import (
	"time"
)

// Config is the program's settings. The tags are the single source for flags, environment, file and printed form:
// `setting` is the name, `help` the description, `unit` the one that a size is kept in. `secret` marks what is never printed: the
// password of a "dsn", all of a "url" but the host, or the whole "value".
type Config struct {
	Data string `setting:"data" help:"folder that holds all state"`
	Role string `setting:"role" help:"what this process does: all; api (verify, REST and the dashboard, takes nothing in); or ingest (takes in, judges and acts, answers /livez, /readyz and /metrics only)"`

	Listen         string   `setting:"listen" help:"address of the REST API and the dashboard"`
	PublicURL      string   `setting:"public-url" help:"address under which people reach the dashboard; default http://LISTEN"`
	TrustedProxies []string `setting:"trusted-proxies" help:"addresses or CIDRs whose X-Forwarded-For is believed by verify and authorize"`
	OpenAuthorize  bool     `setting:"open-authorize" help:"answer GET /v1/authorize without a token to callers on the loopback interface"`

	Kafka              string        `setting:"kafka" help:"brokers, host:port[,host:port]; empty: an embedded broker"`
	KafkaTLS           bool          `setting:"kafka-tls" help:"encrypt connections to kafka"`
	KafkaCAFile        string        `setting:"kafka-ca-file" help:"PEM file with the authorities that certificates of kafka are checked by; default: the system's"`
	KafkaCertFile      string        `setting:"kafka-cert-file" help:"PEM file with our own certificate for kafka"`
	KafkaKeyFile       string        `setting:"kafka-key-file" help:"PEM file with the key of kafka-cert-file"`
	KafkaSASL          string        `setting:"kafka-sasl" help:"how we log in to kafka: plain, scram-sha-256 or scram-sha-512; empty: not at all"`
	KafkaUser          string        `setting:"kafka-user" help:"user that we log in to kafka as"`
	KafkaPassword      string        `setting:"kafka-password" help:"password of kafka-user" secret:"value"`
	KafkaListen        string        `setting:"kafka-listen" help:"address of the embedded broker"`
	KafkaPartitions    int           `setting:"kafka-partitions" help:"partitions of a topic that has to be created"`
	KafkaRetention     time.Duration `setting:"kafka-retention" help:"how long the embedded broker keeps log lines, by the producer's time stamp; 0 keeps them for ever; an external Kafka has its own setting"`
	KafkaRetentionSize int           `setting:"kafka-retention-size" unit:"MiB" help:"how much of a partition the embedded broker keeps, such as 20GiB, whatever is younger or unread; a number alone is in MiB; 0: no bound"`
	Topics             []string      `setting:"topics" help:"topics to read access logs from"`
	RekeyTopics        []string      `setting:"rekey-topics" help:"topics that the gateway does not key by API key; they are read through a topic of our own"`
	Group              string        `setting:"group" help:"consumer group"`
	Format             string        `setting:"format" help:"log format of the topics: a name from 'tollkeeper formats', or auto"`
	Mapping            string        `setting:"mapping" help:"mapping file for format 'mapping'"`
	TrustedHops        int           `setting:"trusted-hops" help:"proxies in front of the gateway that append to X-Forwarded-For"`
	TruncateIP         bool          `setting:"truncate-ip" help:"keep clients' addresses as /24 (IPv4) or /48 (IPv6) only; country and network are found first"`
	OnGap              string        `setting:"on-gap" help:"what to do when offsets are lost: stop, or continue and record the gap"`
	Replay             bool          `setting:"replay" help:"accept that somebody rewound the consumer group's offsets"`
	DedupWindow        time.Duration `setting:"dedup-window" help:"how long a gateway's retry with the same request id counts once"`
	IngestMemory       int           `setting:"ingest-memory" unit:"MiB" help:"memory budget of ingest without the engine, such as 512MiB or 2GiB; a number alone is in MiB"`
	SealGrace          time.Duration `setting:"seal-grace" help:"how long after its end an hour is sealed"`

	ClickHouse        string `setting:"clickhouse" help:"ClickHouse DSN (http, https or clickhouse); empty: the embedded engine" secret:"dsn"`
	ClickHouseLibrary string `setting:"clickhouse-library" help:"path of libchdb for the embedded engine; default: where 'make engine' puts it"`
	ClickHouseCluster string `setting:"clickhouse-cluster" help:"cluster name: create Replicated and Distributed tables"`
	EventsDays        int    `setting:"events-days" help:"days that events are kept"`

	Database   string `setting:"database" help:"postgres:// DSN for keys, alerts, plans and audit; empty: SQLite in the data folder" secret:"dsn"`
	Pepper     string `setting:"pepper" help:"what the file pepper holds, for processes that share a database; empty: that file in the data folder, made by the first start" secret:"value"`
	AlertsDays int    `setting:"alerts-days" help:"days that closed alerts are kept on which nobody gave a verdict, from their last change; 0 keeps them for ever"`
	AuditDays  int    `setting:"audit-days" help:"days that the audit trail is kept; 0 keeps it for ever"`

	Redis                 string        `setting:"redis" help:"redis:// or rediss:// (TLS) address of a Redis in which all nodes count the rates of keys together; redis+cluster://host,host of a cluster, redis+sentinel://host,host/mymaster of the primary that Sentinels know by that name; empty: each counts for itself" secret:"dsn"`
	RedisSentinelPassword string        `setting:"redis-sentinel-password" help:"password of the Sentinels, where they want one" secret:"value"`
	RedisCAFile           string        `setting:"redis-ca-file" help:"PEM file with the authorities that the certificate of redis is checked by; default: the system's"`
	RedisTimeout          time.Duration `setting:"redis-timeout" help:"how long verify waits for redis before it counts by itself"`

	StartWait time.Duration `setting:"start-wait" help:"how long 'serve' waits at its start for a database or ClickHouse that does not answer; 0: not at all"`

	CountryFile string `setting:"country-file" help:"MaxMind-format file for the country of an address; default: the bundled data"`
	NetworkFile string `setting:"network-file" help:"MaxMind-format file for the network number of an address; default: the bundled data"`

	Policy            string `setting:"policy" help:"detection policy file (YAML); empty: the built-in policy"`
	DetectKeys        int    `setting:"detect-keys" help:"keys whose habits this process remembers, about 2.5 KiB each; those unseen for longest are forgotten and learnt again from their history when they come back"`
	Mode              string `setting:"mode" help:"enforce: decisions act on keys; observe: they are only recorded"`
	ThrottlePerMinute int    `setting:"throttle-per-minute" help:"requests a minute that a throttled key may still make: with redis on all nodes together, without on each"`

	NotifyReceivers string `setting:"notify-receivers" help:"file of further receivers of alerts (YAML), each with a format, secrets, severity and families of its own; see docs/notifications.md"`

	NotifyURL      string   `setting:"notify-url" help:"address that is told of alerts by HTTP POST; empty: nobody is told" secret:"url"`
	NotifySecret   string   `setting:"notify-secret" help:"signs what is sent, as Standard Webhooks have it: whsec_ and base64 of 24 to 64 bytes; format json needs it" secret:"value"`
	NotifyFormat   string   `setting:"notify-format" help:"json, or slack for incoming webhooks of Slack and Mattermost"`
	NotifyOn       []string `setting:"notify-on" help:"what is told: opened, action (taken, or held back), reopened, confirmed, dismissed, closed"`
	NotifySeverity string   `setting:"notify-severity" help:"alerts milder than this are not told: low, medium, high or critical"`
	NotifyInsecure bool     `setting:"notify-insecure" help:"allow a notify-url with http:// on another machine"`

	FeedBound  time.Duration `setting:"feed-bound" help:"how long verify may go without news from the key store"`
	FeedPolicy string        `setting:"feed-policy" help:"what verify does when the bound is exceeded: closed (refuse) or open"`

	LogLevel  string `setting:"log-level" help:"debug, info, warn or error"`
	LogFormat string `setting:"log-format" help:"auto (pretty on a terminal), text or json"`
}

// Default returns the settings of a first run: everything embedded, on loopback.
func Default() Config {
	return Config{
		Data:              "data",
		Role:              RoleAll,
		Listen:            "127.0.0.1:8080",
		OpenAuthorize:     true,
		KafkaListen:       "127.0.0.1:9092",
		KafkaPartitions:   4,
		KafkaRetention:    7 * 24 * time.Hour,
		Topics:            []string{"access-log"},
		Group:             "tollkeeper",
		Format:            "auto",
		OnGap:             "stop",
		DedupWindow:       15 * time.Minute,
		IngestMemory:      512,
		SealGrace:         10 * time.Minute,
		EventsDays:        90,
		RedisTimeout:      25 * time.Millisecond,
		StartWait:         time.Minute,
		Mode:              "enforce",
		ThrottlePerMinute: 60,
		NotifyFormat:      "json",
		NotifyOn:          []string{"opened", "action"},
		NotifySeverity:    "medium",
		FeedBound:         5 * time.Second,
		FeedPolicy:        "closed",
		DetectKeys:        1_000_000,
		LogLevel:          "info",
		LogFormat:         "auto",
	}
}

// Roles of a process. Where there are several, verify can be scaled and reached apart from what takes the log in.
const (
	RoleAll    = "all"
	RoleAPI    = "api"
	RoleIngest = "ingest"
)

// Ingests says that the process takes access logs in.
func (c *Config) Ingests() bool { return c.Role != RoleAPI }

// Answers says that the process serves the API, and not only its own health and metrics.
func (c *Config) Answers() bool { return c.Role != RoleIngest }

// checkRole refuses a process that would share nothing with the others: what is embedded is its own.
func (c *Config) checkRole(bad func(string, string, ...any), oneOf func(string, string, ...string)) {
	oneOf("role", c.Role, RoleAll, RoleAPI, RoleIngest)
	if c.Role != RoleAPI && c.Role != RoleIngest {
		return
	}
	for _, part := range []struct{ setting, value string }{{"kafka", c.Kafka}, {"clickhouse", c.ClickHouse}, {"database", c.Database}} {
		if part.value == "" {
			bad(part.setting, "is empty; a process of the role %s shares it with others, so it cannot be the embedded one", c.Role)
		}
	}
}
