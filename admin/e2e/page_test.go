package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/lokroom/strata/admin"
	"github.com/lokroom/strata/internal/redistest"
)

// audit runs axe-core in the page. It must find nothing.
func (p *tab) audit(when string) {
	p.t.Helper()
	dir := os.Getenv("STRATA_AXE")
	if dir == "" {
		p.t.Fatal("STRATA_AXE is not set: run \"make e2e\"")
	}
	axe, err := os.ReadFile(filepath.Join(dir, "axe.min.js"))
	if err != nil {
		p.t.Fatal(err)
	}
	value(p, chromedp.Evaluate[chromedp.Void](string(axe)))
	found := value(p, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify({
		violations: r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 120) + " " + n.any.map((a) => a.message).join("; ")).join(" | ")),
		passes: r.passes.length}))`, chromedp.EvalAwaitPromise))
	var result struct {
		Violations []string
		Passes     int
	}
	if err := json.Unmarshal([]byte(found), &result); err != nil {
		p.t.Fatal(err)
	}
	for _, v := range result.Violations {
		p.t.Errorf("%s: %s", when, v)
	}
	if result.Passes < 20 {
		p.t.Errorf("%s: axe has passed only %d rules", when, result.Passes)
	}
}

// quiet fails the test if the console has an entry, or something was asked of elsewhere.
func (p *tab) quiet(under string) {
	p.t.Helper()
	for _, text := range p.said() {
		p.t.Errorf("the console has %s", text)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) < 6 {
		p.t.Errorf("the page asked only for %q", p.asked)
	}
	for _, url := range p.asked {
		if !strings.HasPrefix(url, under) && !strings.HasPrefix(url, "data:") {
			p.t.Errorf("the page asked for %s", url)
		}
	}
}

// moving is true once there are numbers of the last seconds.
const moving = `document.querySelector('[data-note=ratio]').textContent.startsWith('memory')`

// drawn is true once numbers per second are there, and charts.
const drawn = moving + ` &&
	document.querySelector('[data-chart=answers] path')?.getAttribute('d').length > 40 &&
	document.querySelector('#top tbody th button')`

// TestPage_views: in both themes and sizes nothing is wrong for axe, nothing is in the console,
// and nothing is wider than the window, also with all tables open and while Redis is down.
func TestPage_views(t *testing.T) {
	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			s := newService(t, &admin.Options{Authorize: operate, ShowKeys: true})
			stop := s.work(t)
			defer stop()
			p := open(t, s.url, v)
			p.until("numbers", drawn)
			p.audit("with numbers")
			value(p, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((d) => { d.open = true; })`))
			p.until("tables", `[...document.querySelectorAll("details tbody")].every((b) => b.rows.length > 0)`)
			p.audit("with tables")
			if wide := value(p, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); wide > 0 {
				t.Errorf("the page is %d px wider than the window", wide)
			}
			s.redis.Kill()
			p.until("the state", `document.querySelector("#status.unhealthy") && document.querySelector("[data-fact=redis].bad") && document.querySelector("#faults li")`)
			p.audit("without Redis")
			p.quiet(s.url)
		})
	}
}

// TestPage_work: numbers move, the pause holds them, a key is explained, and a cache is cleared
// once its name was typed.
func TestPage_work(t *testing.T) {
	s := newService(t, &admin.Options{Authorize: operate, ShowKeys: true})
	stop := s.work(t)
	defer stop()
	p := open(t, s.url, views[0])
	p.until("numbers", drawn)
	const line = `document.querySelector("[data-chart=source] .line").getAttribute("d")`
	path := func() string { return value(p, chromedp.Evaluate[string](line)) }
	before := path()
	p.until("another step", line+" !== "+quote(before))
	p.do(chromedp.Click(chromedp.ID("pause")))
	p.until("the pause", `document.querySelector("#pause[aria-pressed=true]")?.textContent === "Resume"`)
	held, seq := path(), s.steps(t)
	redistest.WaitFor(t, "two steps", func() bool { return s.steps(t) >= seq+2 })
	if path() != held {
		t.Error("a step was drawn during the pause")
	}
	p.do(chromedp.Click(chromedp.ID("pause")))
	p.until("the step after the pause", line+" !== "+quote(held))

	p.do(chromedp.Click(chromedp.CSS("#caches tbody button")))
	p.until("one cache", `document.querySelector("#controls select").value === document.querySelector("#caches tbody button").textContent`)
	p.do(chromedp.Click(chromedp.CSS("input[value='10'] + span")))
	p.until("an hour", `document.querySelector("[data-chart=lag] .plot").textContent.includes("1 hour ago")`)
	stop()

	if _, err := s.users.Get(t.Context(), "zoe"); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.SetValue(chromedp.CSS("#explain select"), "users"), chromedp.SendKeys(chromedp.CSS("#explain input"), "zoe\n"))
	p.until("an explanation", `/fresh.*team-z/s.test(document.querySelector("#explained table")?.textContent)`)

	const disabled = `document.querySelector("#clear button").disabled`
	p.do(chromedp.SetValue(chromedp.CSS("#clear select[name=cache]"), "users"))
	value(p, chromedp.Evaluate[chromedp.Void](`document.querySelector("#clear").dispatchEvent(new Event("input"))`))
	p.do(chromedp.SendKeys(chromedp.CSS("#clear input[name=confirm]"), "user"))
	p.until("the word", `document.querySelector("#word").textContent === "users"`)
	if !value(p, chromedp.Evaluate[bool](disabled)) {
		t.Error("the button works before the name is typed")
	}
	p.do(chromedp.SendKeys(chromedp.CSS("#clear input[name=confirm]"), "s"))
	p.until("the button", "!"+disabled)
	p.do(chromedp.Click(chromedp.CSS("#clear button")))
	p.until("the answer", `document.querySelector("#cleared").textContent.startsWith("Cleared: cache users")`)
	if _, err := s.users.Peek(t.Context(), "zoe"); err == nil {
		t.Error("the value is still there")
	}
	p.audit("after the work")
	p.quiet(s.url)
}

// steps returns how many steps the service has recorded.
func (s *service) steps(t *testing.T) (n float64) {
	t.Helper()
	a, err := http.Get(s.url + "live")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	var live struct{ Seq float64 }
	if err := json.NewDecoder(a.Body).Decode(&live); err != nil {
		t.Fatal(err)
	}
	return live.Seq
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// TestPage_viewer: the role View sees no form, and keys are hashes.
func TestPage_viewer(t *testing.T) {
	s := newService(t, nil)
	defer s.work(t)()
	p := open(t, s.url, views[1])
	p.until("numbers", moving+` && document.querySelector("#top tbody th")?.textContent.startsWith("#")`)
	if value(p, chromedp.Evaluate[bool](`!!document.querySelector("#clear, #top button")`)) {
		t.Error("the page has a form, or keys")
	}
	p.audit("for View")
	p.quiet(s.url)
}

// TestPage_keyboard: the first key leads past the header, and a table opens by a key.
func TestPage_keyboard(t *testing.T) {
	s := newService(t, nil)
	p := open(t, s.url, views[0])
	p.until("charts", `document.querySelector("[data-chart=limits]")`)
	p.do(chromedp.KeyEvent("\t"))
	p.until("the link", `document.activeElement.className === "skip"`)
	p.do(chromedp.KeyEvent("\r"))
	p.until("the main part", `document.activeElement.id === "main"`)
	p.do(chromedp.KeyEvent("\t"))
	p.until("the first table", `document.activeElement.tagName === "SUMMARY"`)
	p.do(chromedp.KeyEvent("\r"))
	p.until("an open table", `document.querySelector("[data-chart=answers] details").open`)
}

// TestPage_noScript: without JavaScript the page has numbers, and a link that has it loaded again.
func TestPage_noScript(t *testing.T) {
	s := newService(t, nil)
	if _, err := s.users.Get(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	p := open(t, "about:blank", views[2])
	p.do(call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}), chromedp.Navigate(s.url))
	text := value(p, chromedp.Text(chromedp.CSS("body")))
	for _, want := range []string{"Healthy", "users", "0 hits, 1 misses", "refresh every 10 s"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q: %s", want, text)
		}
	}
	if strings.Contains(text, "Pause") {
		t.Error("the page shows what does not work")
	}
}

// TestPage_crowd: the page after the last stream reads the numbers in turns.
func TestPage_crowd(t *testing.T) {
	s := newService(t, nil)
	defer s.work(t)()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 32 {
		q, err := http.NewRequestWithContext(ctx, "GET", s.url+"stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := http.DefaultClient.Do(q)
		if err != nil || a.StatusCode != 200 {
			t.Fatal(a, err)
		}
		defer a.Body.Close()
	}
	p := open(t, s.url, views[0])
	p.until("the note", `document.querySelector("#connection").textContent.includes("no stream")`)
	p.until("numbers", moving)
	if got := fmt.Sprint(p.said()); !strings.Contains(got, "503") {
		t.Errorf("the console has %s", got)
	}
}

// TestPage_paint measures what a person waits for. It asserts nothing but that something is
// painted.
func TestPage_paint(t *testing.T) {
	s := newService(t, nil)
	p := open(t, s.url, views[0])
	const paint = `performance.getEntriesByName("first-contentful-paint")[0]`
	p.until("a paint", paint)
	took := value(p, chromedp.Evaluate[float64](paint+".startTime"))
	t.Logf("first contentful paint after %v", time.Duration(took*float64(time.Millisecond)).Round(time.Millisecond))
	bytes := value(p, chromedp.Evaluate[float64](`performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation")).filter((e) => /\/$|css$|js$/.test(e.name)).reduce((n, e) => n + e.decodedBodySize, 0)`))
	t.Logf("%.0f bytes of page", bytes)
}
