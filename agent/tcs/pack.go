package tcs

const (
	// maxRequest is the size of a metrics request's JSON, without envelope and headers, that the service takes.
	maxRequest = 1 << 20
	// metricsTasks is how many tasks a metrics request holds at most.
	metricsTasks = 10
)

// taskSize are the sizes of a task's parts. The body (containers, volumes) is never divided.
type taskSize struct {
	head, body int
	wrappers   []int // of Service Connect, each
}

// chunk is a task in a request, or the part of it that fitted.
type chunk struct {
	task     int
	body     bool
	from, to int // wrappers
}

// layout is what a request is made of besides tasks.
type layout struct {
	limit, tasks              int
	empty                     int // a request without tasks
	taskList, taskComma       int
	wrapperList, wrapperComma int
	lastIsShorter             int // the request that ends the message
}

// jsonLayout is that of a metrics request whose size without tasks, and with fin false, is empty.
func jsonLayout(empty int) layout {
	return layout{
		limit: maxRequest, tasks: metricsTasks, empty: empty,
		taskList: len(`"taskMetrics":[],`), taskComma: 1, wrapperList: len(`,"serviceConnectMetricsWrapper":[]`), wrapperComma: 1,
		lastIsShorter: len("false") - len("true"),
	}
}

// pack divides tasks among requests, in order: as few as possible without a request over the limits, unless one
// indivisible part alone is too big. Wrappers of a task may spread over several requests; its body is in the first.
func pack(tasks []taskSize, l layout) [][]chunk {
	p := packer{layout: l}
	for i, t := range tasks {
		last := i == len(tasks)-1
		if !p.fits(t.head+t.body, last && len(t.wrappers) == 0) {
			p.emit()
		}
		c, size := chunk{task: i, body: true}, t.head+t.body
		for w, n := range t.wrappers {
			if !p.fits(size+p.wrapper(c, n), last && w == len(t.wrappers)-1) {
				if c.to > c.from || c.body && t.body > 0 {
					p.add(c, size)
					c, size = chunk{task: i, from: w, to: w}, t.head
				}
				p.emit()
			}
			size += p.wrapper(c, n)
			c.to = w + 1
		}
		p.add(c, size)
		if len(p.pending) >= l.tasks {
			p.emit()
		}
	}
	p.emit()
	return p.requests
}

// packer is a request in the making, and those that are done.
type packer struct {
	layout
	pending  []chunk
	used     int // by pending, with commas
	requests [][]chunk
}

// fits reports whether a task of that size still fits into the request. last is set for the end of the message.
func (p *packer) fits(size int, last bool) bool {
	total := p.empty + p.taskList + p.used + size
	if len(p.pending) > 0 {
		total += p.taskComma
	}
	if last {
		total -= p.lastIsShorter
	}
	return total <= p.limit
}

// wrapper is what one more wrapper adds to a chunk.
func (p *packer) wrapper(c chunk, size int) int {
	if c.to == c.from {
		return p.wrapperList + size
	}
	return p.wrapperComma + size
}

func (p *packer) add(c chunk, size int) {
	if len(p.pending) > 0 {
		p.used += p.taskComma
	}
	p.used += size
	p.pending = append(p.pending, c)
}

func (p *packer) emit() {
	if len(p.pending) == 0 {
		return
	}
	p.requests = append(p.requests, p.pending)
	p.pending, p.used = nil, 0
}
