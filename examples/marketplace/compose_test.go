package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A compose is what docker-compose.yml has.
type compose struct {
	Services map[string]struct {
		Image string
		Build struct{ Context, Dockerfile string }

		Command     []string
		Environment map[string]string
		Ports       []string
		Volumes     []string
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		Healthcheck map[string]any
		StopGrace   string `yaml:"stop_grace_period"`
	}
	Volumes map[string]any
}

func readCompose(t *testing.T) (c compose) {
	t.Helper()
	b, err := os.Open("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	d := yaml.NewDecoder(b)
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCompose: the parts of docker-compose.yml fit together.
func TestCompose(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		if s.Image == "" {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Errorf("%s has no image, and %v", name, err)
			}
		}
		for other, how := range s.DependsOn {
			if o, ok := c.Services[other]; !ok || how.Condition == "service_healthy" && o.Healthcheck["test"] == nil {
				t.Errorf("%s depends on %s, which does not exist or has no health check", name, other)
			}
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s listens on %s, beyond this machine", name, port)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, named := c.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(from); err != nil {
				t.Errorf("%s mounts %v", name, err)
			}
		}
	}
	testScrapes(t, c)
	service := c.Services["marketplace"]
	for _, variable := range []string{"DATABASE_URL", "REDIS_URL"} {
		// The password is a reference to the environment, which no URL may have.
		u, err := url.Parse(strings.ReplaceAll(service.Environment[variable], "${POSTGRES_PASSWORD:?set a password}", "secret"))
		if err != nil || c.Services[u.Hostname()].Image == "" {
			t.Errorf("%s leads to no service: %v, %v", variable, u, err)
		}
	}
	for _, option := range []string{"--appendonly yes", "--requirepass " + service.Environment["REDIS_PASSWORD"]} {
		if !strings.Contains(strings.Join(c.Services["redis"].Command, " "), option) {
			t.Errorf("Redis is started without %s: %v", option, c.Services["redis"].Command)
		}
	}
}

// testScrapes checks that Prometheus scrapes the marketplace at the port of its metrics, and that
// Grafana asks that Prometheus.
func testScrapes(t *testing.T, c compose) {
	t.Helper()
	var scrape struct {
		Configs []struct {
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	var ask struct{ Datasources []struct{ URL string } }
	for file, v := range map[string]any{"deploy/prometheus.yml": &scrape, "deploy/datasources.yml": &ask} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(b, v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	name, port, _ := strings.Cut(scrape.Configs[0].Static[0].Targets[0], ":")
	if command := strings.Join(c.Services[name].Command, " "); !strings.Contains(command, "-metrics :"+port) {
		t.Errorf("Prometheus scrapes %s:%s, which is started with %s", name, port, command)
	}
	u, err := url.Parse(ask.Datasources[0].URL)
	if err != nil || c.Services[u.Hostname()].Image == "" {
		t.Errorf("Grafana asks %v, which is no service: %v", u, err)
	}
}
