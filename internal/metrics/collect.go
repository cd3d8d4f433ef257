package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"whoelse/room"
	"whoelse/room/history"
	"whoelse/sessions/admission"
	"whoelse/sessions/quota"
	"whoelse/sessions/space"
)

// Sources are asked for statistics when metrics are asked for. The functions and methods may be
// called concurrently.
type Sources struct {
	Version   string // the program's
	Room      func() room.Stats
	Store     func() history.Stats
	Admission func() admission.Stats
	Quota     func() quota.Stats
	Space     func() space.Stats
}

// Describe implements prometheus.Collector: without descriptions, Collect alone says what
// there is.
func (Sources) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. docs/metrics.md lists its metrics, too.
func (s Sources) Collect(out chan<- prometheus.Metric) {
	put(out, "info", "1, with the version.", 1, "version", s.Version)

	people := s.Room()
	put(out, "sessions", "Sessions in the room.", people.Sessions)
	put(out, "members", "Nicks in the room, guests among them.", people.Members)
	put(out, "guests", "Guests in the room.", people.Guests)
	for kind, n := range people.Messages {
		put(out, "messages_total", "Messages that were shown or kept.", n, "kind", string(kind))
	}

	conns := s.Admission()
	put(out, "connections", "Connections, by whether they have logged in.", conns.Handshakes, "state", "login")
	put(out, "connections", "Connections, by whether they have logged in.", conns.Sessions, "state", "in")
	put(out, "connections_admitted_total", "Connections that were let try to log in.", conns.Admitted)
	for why, n := range conns.Refused {
		put(out, "connections_refused_total", "Connections that were refused before the login.", n, "reason", string(why))
	}
	for how, n := range conns.Failed {
		put(out, "logins_failed_total", "Logins that failed.", n, "how", string(how))
	}

	store := s.Store()
	put(out, "storage_trouble", "1 while nothing is accepted.", one(store.Log.Trouble != nil))
	put(out, "storage_refused_total", "Messages and marks that could not be kept.", store.Log.Refused)
	put(out, "storage_damaged_total", "Damaged lines and ends of files that were found.", store.Damaged)
	put(out, "log_bytes", "Size of the log's open segment.", store.Log.Bytes)
	put(out, "log_syncs_total", "Fsyncs of the log; each is for all that waited.", store.Log.Syncs)
	put(out, "log_segments", "Segments of the log, with the open one.", store.Log.Segments)
	put(out, "histories_late", "Histories that lack lines which only the log has.", store.Late)
	put(out, "history_syncs_total", "Fsyncs of histories.", store.Synced)

	stored := s.Quota()
	put(out, "quota_charged_bytes", "Bytes that messages were charged for since the start.", stored.Charged)
	for limit, n := range stored.Refused {
		put(out, "quota_refused_total", "Messages that were refused, by whose limit was reached.", n, "limit", string(limit))
	}
	for limit, n := range stored.Remembered {
		put(out, "quota_accounts", "Nicks, addresses and networks that are remembered.", n, "limit", string(limit))
	}

	data := s.Space()
	put(out, "data_bytes", "Size of the data folder; 0 without --data-max.", data.Bytes)
	put(out, "data_max_bytes", "--data-max; 0 is no limit.", data.Max)
	put(out, "data_stage", "0; 1 when guests can't send, 2 when no nicks can be claimed, 3 when nobody can send.", data.Stage)
	put(out, "disk_low", "1 while less than 5 % of the data folder's disk is free.", one(data.DiskLow))
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// put writes a metric with a label and its value, or without. Names of counters end in _total.
func put[N ~int | ~int64 | ~uint64](out chan<- prometheus.Metric, name, help string, n N, label ...string) {
	kind := prometheus.GaugeValue
	if strings.HasSuffix(name, "_total") {
		kind = prometheus.CounterValue
	}
	labels := prometheus.Labels{}
	if len(label) > 0 {
		labels[label[0]] = label[1]
	}
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc("whoelse_"+name, help, nil, labels), kind, float64(n))
}
