package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

var screenshots = flag.String("screenshots", "", "keep screenshots of the page in this `directory`")

// browser is the one browser of all tests; each has a tab of its own.
var browser context.Context

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	browser, cancel = chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Run(browser); err != nil {
		fmt.Fprintln(os.Stderr, "start Chromium (scripts/need-test-tools.sh installs it):", err)
		return 1
	}
	return m.Run()
}

// open opens a tab with the page. Whatever the page complains about fails the test.
func open(t *testing.T, h *host) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page's script failed: %s", e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.Text, "ERR_CONNECTION_REFUSED") {
				t.Errorf("the browser complains: %s", e.Entry.Text)
			}
		}
	})
	do(ctx, t, chromedp.EmulateViewport(1100, 900), chromedp.Navigate(h.URL+"/"))
	return ctx
}

func do(ctx context.Context, t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// eval gives the value of an expression as text.
func eval(ctx context.Context, t *testing.T, expression string) string {
	t.Helper()
	var value any
	do(ctx, t, chromedp.Evaluate(expression, &value))
	return fmt.Sprint(value)
}

// waitFor waits until an expression has a value.
func waitFor(ctx context.Context, t *testing.T, expression, want string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = eval(ctx, t, expression); got == want {
			return
		}
	}
	t.Fatalf("%s is %q, want %q", expression, got, want)
}

const (
	taskCount = `document.querySelectorAll("#list > article").length`
	firstTask = `document.querySelector("#list > article")?.innerText`
	body      = `document.body.innerText`
)

func wantText(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the page:\n%s", want, text)
		}
	}
}

func TestShowsWhatRunsAndWhy(t *testing.T) {
	h := start(t)
	h.set(web(), failed(), hopeless())
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "3")
	wantText(t, eval(ctx, t, body),
		"Amazon ECS Agent - v1.2.3", "cluster shop", "up 2 d 1 h",
		"Control (ACS)", "connected", "for 3 h 0 min", "not connected", "connection refused",
		"1.28 of 4 vCPU", "7.1 GiB of 7.5 GiB", "1 running", "3 in all", "Changes ECS has not heard of", "131 reported",
		"web:7", "RUNNING", "storefront", "1 h 15 min", "nginx", "registry.example.com/shop/nginx:1.27", "HEALTHY", "up 1 h 15 min", "log-router", "4 restarts", "not essential",
		"batch:31", "STOPPED", "Essential container in task exited", "exit code 137", "OutOfMemoryError: Container killed due to memory usage",
		"report:2", "CAN NEVER FIT", "This host can never give it: MEMORY (needs 16384 MiB, host has 7680)")
	wantText(t, eval(ctx, t, firstTask), "report:2") // what needs a person comes first
	if got := eval(ctx, t, `document.querySelectorAll(".spark:not([hidden]) path.line[d]").length`); got != "4" {
		t.Errorf("%s curves, want CPU and memory of two containers", got)
	}
}

func TestTextsOfTasksAreNeverMarkup(t *testing.T) {
	h := start(t)
	h.set(failed())
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "1")
	wantText(t, eval(ctx, t, body), "<script>", "<img src=x")
	if title := eval(ctx, t, `document.title`); title != "shop · ECS agent" {
		t.Errorf("title %q", title)
	}
}

func TestFollowsWhatHappensWithoutMovingTheFocus(t *testing.T) {
	h := start(t)
	h.set(web())
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "1")
	do(ctx, t, chromedp.Focus("#find"), chromedp.Evaluate(`document.querySelector("#list > article").dataset.mark = "same"`, nil))
	stopping := web()
	stopping.Desired = task.Stopped
	h.set(stopping, failed())
	waitFor(ctx, t, taskCount, "2")
	wantText(t, eval(ctx, t, firstTask), "STOPPING")
	waitFor(ctx, t, `document.querySelector("#list > article").dataset.mark`, "same")
	waitFor(ctx, t, `document.activeElement.id`, "find")
	wantText(t, eval(ctx, t, `document.getElementById("news").textContent`), "Task web:7 is stopping", "Task batch:31 is stopped")
	h.set()
	waitFor(ctx, t, taskCount, "0")
	wantText(t, eval(ctx, t, body), "No tasks on this host.")
}

func TestPauseAndFind(t *testing.T) {
	h := start(t)
	h.set(web(), failed())
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "2")
	do(ctx, t, chromedp.SendKeys("#find", "NGINX:1.27"))
	waitFor(ctx, t, taskCount, "1")
	do(ctx, t, chromedp.SetValue("#find", "nothing like it"), chromedp.SendKeys("#find", "!"))
	waitFor(ctx, t, `document.getElementById("none").innerText`, "No task matches.")
	do(ctx, t, chromedp.Evaluate(`(f => { f.value = ""; f.dispatchEvent(new Event("input")) })(document.getElementById("find"))`, nil))
	waitFor(ctx, t, taskCount, "2")

	do(ctx, t, chromedp.Click("#pause"))
	waitFor(ctx, t, `document.getElementById("pause").innerText`, "Resume updates")
	waitFor(ctx, t, `document.activeElement.id`, "pause")
	asked := `performance.getEntriesByType("resource").length`
	before := eval(ctx, t, asked)
	do(ctx, t, chromedp.Sleep(2500*time.Millisecond)) // longer than the time between two updates
	if now := eval(ctx, t, asked); now != before {
		t.Errorf("a paused page asks: %s requests, then %s", before, now)
	}
	h.set(web())
	do(ctx, t, chromedp.KeyEvent(kb.Enter)) // as the keyboard does it
	waitFor(ctx, t, taskCount, "1")
	waitFor(ctx, t, `document.getElementById("pause").innerText`, "Pause updates")
}

func TestSaysWhenTheAgentIsAway(t *testing.T) {
	h := start(t)
	h.set(web())
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "1")
	h.Close()
	waitFor(ctx, t, `document.getElementById("alert").textContent.startsWith("The agent does not answer. What you see is from ")`, "true")
	waitFor(ctx, t, taskCount, "1")
}

func TestKeyboardReachesEverything(t *testing.T) {
	h := start(t)
	h.set(web())
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "1")
	var order []string
	for range 3 {
		do(ctx, t, chromedp.KeyEvent(kb.Tab))
		order = append(order, eval(ctx, t, `document.activeElement.className + "#" + document.activeElement.id`))
		if got := eval(ctx, t, `getComputedStyle(document.activeElement).outlineStyle`); got == "none" {
			t.Errorf("%s has the focus and does not show it", order[len(order)-1])
		}
	}
	if fmt.Sprint(order) != "[skip# #pause #find]" {
		t.Errorf("order %q", order)
	}
	do(ctx, t, chromedp.Focus(".skip"), chromedp.KeyEvent(kb.Enter))
	waitFor(ctx, t, `document.activeElement.id`, "tasks")
}

// TestWhatAScreenReaderHears looks at the accessibility tree.
func TestWhatAScreenReaderHears(t *testing.T) {
	h := start(t)
	h.set(web())
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "1")
	type text struct {
		Value any `json:"value"`
	}
	var tree struct {
		Nodes []struct {
			Ignored bool `json:"ignored"`
			Role    text `json:"role"`
			Name    text `json:"name"`
		} `json:"nodes"`
	}
	do(ctx, t, chromedp.ActionFunc(func(ctx context.Context) error {
		return cdp.Execute(ctx, "Accessibility.getFullAXTree", nil, &tree)
	}))
	var heard []string
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role.Value == nil {
			continue
		}
		role, name := fmt.Sprint(n.Role.Value), ""
		if n.Name.Value != nil {
			name = fmt.Sprint(n.Name.Value)
		}
		heard = append(heard, role+" "+name)
		if name == "" && (role == "button" || role == "searchbox" || role == "image" || role == "img" || role == "link") {
			t.Errorf("a %s without a name", role)
		}
	}
	all := strings.Join(heard, "\n")
	wantText(t, all, "banner", "main", "heading ECS agent", "heading Tasks", "article web:7", "heading nginx", "button Pause updates",
		"searchbox Find a task, container, image or state", "region Agent and host", "listitem", "CPU 1", "; in the last minute between ")
	if lang := eval(ctx, t, `document.documentElement.lang`); lang != "en" {
		t.Errorf("language %q", lang)
	}
}

// TestPhone looks at a narrow screen, in light and dark: nothing sticks out, everything can be read and touched.
func TestPhone(t *testing.T) {
	h := start(t)
	h.set(web(), failed(), hopeless())
	ctx := open(t, h)
	for i, scheme := range []string{"light", "dark"} {
		width := []int64{360, 320}[i] // the least that pages must fit into (WCAG 2, reflow)
		do(ctx, t, chromedp.EmulateViewport(width, 740, chromedp.EmulateMobile), chromedp.ActionFunc(func(ctx context.Context) error {
			return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}).Do(ctx)
		}), chromedp.Reload())
		waitFor(ctx, t, taskCount, "3")
		if got := eval(ctx, t, `document.documentElement.scrollWidth <= window.innerWidth`); got != "true" {
			t.Errorf("%s: the page is wider than the phone", scheme)
		}
		if got := eval(ctx, t, `[...document.querySelectorAll(".card *")].filter(e => e.getBoundingClientRect().right > e.closest(".card").getBoundingClientRect().right - 4).map(e => e.innerText).join()`); got != "" {
			t.Errorf("%s: sticks out of its card: %s", scheme, got)
		}
		if got := eval(ctx, t, `[...document.querySelectorAll("button, input")].filter(e => e.getBoundingClientRect().height < 40).length`); got != "0" {
			t.Errorf("%s: %s controls are too small for a finger", scheme, got)
		}
		if got := eval(ctx, t, lowContrast); got != "" {
			t.Errorf("%s: hard to read: %s", scheme, got)
		}
		if got := eval(ctx, t, paleControls); got != "" {
			t.Errorf("%s: hard to find: %s", scheme, got)
		}
		if got := eval(ctx, t, body); !strings.Contains(got, "9781c248050e4d8a8b5a3e2f1c0d9e8f") {
			t.Errorf("%s: the id of a task is cut short, and there is no mouse to show the rest:\n%s", scheme, got)
		}
		keep(ctx, t, "phone-"+scheme)
	}
}

// contrast has what both checks of colours use.
const contrast = `
	const rgb = s => s.match(/[\d.]+/g).map(Number);
	const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
	const back = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
	const ratio = (color, ground) => { const a = light(rgb(color).slice(0, 3)), b = light(ground); return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); };
	const bad = new Set();`

// lowContrast lists texts whose contrast is below 4.5 to 1 (WCAG 2 AA).
const lowContrast = `(() => {` + contrast + `
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; (n = walk.nextNode());) {
		const e = n.parentElement;
		if (!n.textContent.trim() || !e.checkVisibility() || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName)) continue;
		if (ratio(getComputedStyle(e).color, back(e)) < 4.5) bad.add(n.textContent.trim());
	}
	for (const e of document.querySelectorAll("[placeholder]")) if (ratio(getComputedStyle(e, "::placeholder").color, back(e)) < 4.5) bad.add(e.placeholder);
	return [...bad].join(", ");
})()`

// paleControls lists controls and curves whose edge has a contrast below 3 to 1 to what is around it.
const paleControls = `(() => {` + contrast + `
	for (const e of document.querySelectorAll("button, input")) if (ratio(getComputedStyle(e).borderTopColor, back(e.parentElement)) < 3) bad.add(e.id);
	for (const e of document.querySelectorAll("path.line")) if (ratio(getComputedStyle(e).stroke, back(e.closest("article"))) < 3) bad.add(e.closest(".spark").className);
	return [...bad].join(", ");
})()`

// keep writes a screenshot of the whole page, if they are wanted.
func keep(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	var picture []byte
	do(ctx, t, chromedp.FullScreenshot(&picture, 100))
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDesktop(t *testing.T) {
	h := start(t)
	h.set(web(), failed(), hopeless())
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "3")
	if got := eval(ctx, t, lowContrast); got != "" {
		t.Errorf("hard to read: %s", got)
	}
	keep(ctx, t, "desktop")
}

// TestManyTasks draws a hundred tasks with two containers each; an update must stay far below the time between two.
func TestManyTasks(t *testing.T) {
	h := start(t)
	h.set(many(100)...)
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "100")
	do(ctx, t, chromedp.Evaluate(`document.getElementById("find").dispatchEvent(new Event("input"))`, nil))
	took := eval(ctx, t, `(() => { const t = performance.now(); document.getElementById("find").dispatchEvent(new Event("input")); return performance.now() - t < 500; })()`)
	if took != "true" {
		t.Error("drawing again takes more than 500 ms")
	}
}

// TestManyEndedTasks has a host that keeps a thousand tasks until their cleanup: not all are drawn, but all can be found.
func TestManyEndedTasks(t *testing.T) {
	h := start(t)
	list := many(1200)
	for i, tk := range list {
		tk.ARN = fmt.Sprintf("%s%032x", arnPrefix, i)
		if i%6 != 0 {
			tk.Known, tk.Desired = task.Stopped, task.Stopped
		}
	}
	h.set(list...)
	ctx := open(t, h)
	waitFor(ctx, t, taskCount, "300")
	wantText(t, eval(ctx, t, body), "200 running", "1200 in all", "900 more tasks have ended. The search finds them.")
	do(ctx, t, chromedp.SendKeys("#find", fmt.Sprintf("%032x", 1)))
	waitFor(ctx, t, taskCount, "1")
	wantText(t, eval(ctx, t, firstTask), "STOPPED")
	if got := eval(ctx, t, `document.getElementById("more").hidden`); got != "true" {
		t.Error("there is more although everything is shown")
	}
	do(ctx, t, chromedp.Evaluate(`(f => { f.value = ""; f.dispatchEvent(new Event("input")) })(document.getElementById("find"))`, nil))
	waitFor(ctx, t, taskCount, "300")
	if took := eval(ctx, t, `(() => { const t = performance.now(); document.getElementById("find").dispatchEvent(new Event("input")); return performance.now() - t < 1000; })()`); took != "true" {
		t.Error("drawing again takes more than a second")
	}
}
