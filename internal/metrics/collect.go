package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"whoelse/room"
	"whoelse/room/history"
	"whoelse/sessions/admission"
	"whoelse/sessions/quota"
	"whoelse/sessions/space"
)

// Sources are who is asked for statistics when metrics are asked for. The functions may be
// called concurrently.
type Sources struct {
	Version   string // the program's
	Room      func() room.Stats
	Store     func() history.Stats
	Admission func() admission.Stats
	Quota     func() quota.Stats
	Space     func() space.Stats
}

// collector makes metrics of them. Its methods may be called concurrently.
type collector struct{ Sources }

// registry has all metrics: ours, of Go and of the process.
func (s Sources) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("whoelse_"+name, help, labels, nil)
}

// What is told. docs/metrics.md lists it too.
var (
	infoDesc     = describe("info", "1, with the version.", "version")
	sessionsDesc = describe("sessions", "Sessions in the room.")
	membersDesc  = describe("members", "Nicks in the room, guests among them.")
	guestsDesc   = describe("guests", "Guests in the room.")
	messagesDesc = describe("messages_total", "Messages that were shown or kept.", "kind")

	connectionsDesc = describe("connections", "Connections, by whether they have logged in.", "state")
	admittedDesc    = describe("connections_admitted_total", "Connections that were let try to log in.")
	refusedDesc     = describe("connections_refused_total", "Connections that were refused before the login.", "reason")
	failedDesc      = describe("logins_failed_total", "Logins that failed.", "how")

	troubleDesc      = describe("storage_trouble", "1 while nothing is accepted.")
	storeRefusedDesc = describe("storage_refused_total", "Messages and marks that could not be kept.")
	damagedDesc      = describe("storage_damaged_total", "Damaged lines and ends of files that were found.")
	logBytesDesc     = describe("log_bytes", "Size of the log's open segment.")
	logSyncsDesc     = describe("log_syncs_total", "Fsyncs of the log; each is for all that waited.")
	segmentsDesc     = describe("log_segments", "Segments of the log, with the open one.")
	lateDesc         = describe("histories_late", "Histories that lack lines which only the log has.")
	historySyncsDesc = describe("history_syncs_total", "Fsyncs of histories.")

	chargedDesc   = describe("quota_charged_bytes", "Bytes that messages were charged for since the start.")
	overQuotaDesc = describe("quota_refused_total", "Messages that were refused, by whose limit was reached.", "limit")
	accountsDesc  = describe("quota_accounts", "Nicks, addresses and networks that are remembered.", "limit")
	dataDesc      = describe("data_bytes", "Size of the data folder; 0 without --data-max.")
	dataMaxDesc   = describe("data_max_bytes", "--data-max; 0 is no limit.")
	dataStageDesc = describe("data_stage", "0; 1 when guests can't send, 2 when no nicks can be claimed, 3 when nobody can send.")
	diskLowDesc   = describe("disk_low", "1 while less than 5 % of the data folder's disk is free.")

	allDescs = []*prometheus.Desc{
		infoDesc, sessionsDesc, membersDesc, guestsDesc, messagesDesc, connectionsDesc, admittedDesc, refusedDesc, failedDesc,
		troubleDesc, storeRefusedDesc, damagedDesc, logBytesDesc, logSyncsDesc, segmentsDesc, lateDesc, historySyncsDesc,
		chargedDesc, overQuotaDesc, accountsDesc, dataDesc, dataMaxDesc, dataStageDesc, diskLowDesc,
	}
)

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range allDescs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	to := sheet{out}
	to.gauge(infoDesc, 1, c.Version)
	c.collectRoom(to)
	c.collectDoor(to)
	c.collectStore(to)
	c.collectQuota(to)
}

func (c collector) collectRoom(to sheet) {
	s := c.Room()
	to.gauge(sessionsDesc, s.Sessions)
	to.gauge(membersDesc, s.Members)
	to.gauge(guestsDesc, s.Guests)
	for kind, n := range s.Messages {
		to.counter(messagesDesc, n, string(kind))
	}
}

func (c collector) collectDoor(to sheet) {
	s := c.Admission()
	to.gauge(connectionsDesc, s.Handshakes, "login")
	to.gauge(connectionsDesc, s.Sessions, "in")
	to.counter(admittedDesc, s.Admitted)
	for why, n := range s.Refused {
		to.counter(refusedDesc, n, why.String())
	}
	for how, n := range s.Failed {
		to.counter(failedDesc, n, how.String())
	}
}

func (c collector) collectStore(to sheet) {
	s := c.Store()
	trouble := 0
	if s.Log.Trouble != nil {
		trouble = 1
	}
	to.gauge(troubleDesc, trouble)
	to.counter(storeRefusedDesc, s.Log.Refused)
	to.counter(damagedDesc, s.Damaged)
	to.gauge(logBytesDesc, int(s.Log.Bytes))
	to.counter(logSyncsDesc, s.Log.Syncs)
	to.gauge(segmentsDesc, s.Log.Segments)
	to.gauge(lateDesc, s.Late)
	to.counter(historySyncsDesc, s.Synced)
}

func (c collector) collectQuota(to sheet) {
	s := c.Quota()
	to.gauge(chargedDesc, int(s.Charged))
	for limit, n := range s.Refused {
		to.counter(overQuotaDesc, n, limit.String())
	}
	for limit, n := range s.Remembered {
		to.gauge(accountsDesc, n, limit.String())
	}
	d := c.Space()
	to.gauge(dataDesc, int(d.Bytes))
	to.gauge(dataMaxDesc, int(d.Max))
	to.gauge(dataStageDesc, int(d.Stage))
	low := 0
	if d.DiskLow {
		low = 1
	}
	to.gauge(diskLowDesc, low)
}

// sheet is what is being filled in.
type sheet struct{ out chan<- prometheus.Metric }

func (s sheet) gauge(d *prometheus.Desc, n int, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func (s sheet) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}
