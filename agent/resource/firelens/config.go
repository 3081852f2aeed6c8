package firelens

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Log options that the agent turns into filters.
const (
	optionInclude = "include-pattern"
	optionExclude = "exclude-pattern"
)

// Bounds of the memory that Fluent Bit keeps logs in which wait for their output, in MiB.
const (
	bufferDefault = 25
	bufferPart    = 2 // one half of the router's memory
)

// dialect is one of the two forms of configuration.
type dialect struct {
	outputKey    string // of the log option that names the output
	externalPath string // of a file from S3, in the router
	variable     func(name string) string
	render       func(*config) string
}

var dialects = map[string]dialect{
	task.FirelensFluentd: {
		outputKey: "@type", externalPath: "/fluentd/etc/external.conf",
		variable: func(name string) string { return `"#{ENV['` + name + `']}"` },
		render:   (*config).fluentd,
	},
	task.FirelensFluentBit: {
		outputKey: "Name", externalPath: "/fluent-bit/etc/external.conf",
		variable: func(name string) string { return "${" + name + "}" },
		render:   (*config).fluentBit,
	},
}

// config is the content of a configuration file.
type config struct {
	buffer   int64  // MiB
	listen   string // address of the TCP input; empty: none
	includes []filter
	excludes []filter
	metadata []pair // added to each record
	include  string // path of another file; empty: none
	outputs  []output
}

// filter keeps, or drops, the lines of a container that match.
type filter struct{ container, pattern string }

// output is where the logs of a container go.
type output struct {
	container, plugin string
	options           []pair
}

type pair struct{ key, value string }

// generate gives the configuration file of a router with so much memory (MiB).
func (r *record) generate(memory int64) (string, error) {
	d, known := dialects[r.FirelensConfigType]
	if !known {
		return "", fmt.Errorf("invalid firelens configuration type: %s", r.FirelensConfigType)
	}
	c := &config{buffer: memory / bufferPart, metadata: r.metadata()}
	if c.buffer <= 0 {
		c.buffer = bufferDefault
	}
	switch r.NetworkMode {
	case modeBridge:
		c.listen = "0.0.0.0"
	case task.NetworkAWSVPC:
		c.listen = "127.0.0.1"
	}
	switch r.ExternalConfigType {
	case externalFromFile:
		c.include = r.ExternalConfigValue
	case externalFromS3:
		c.include = d.externalPath
	}
	for _, name := range slices.Sorted(maps.Keys(r.ContainersToLogOptions)) {
		if err := c.route(name, r.ContainersToLogOptions[name], d.outputKey); err != nil {
			return "", fmt.Errorf("unable to generate firelens config: unable to apply log options of container %s to firelens config: %w which is required for firelens configuration of type %s",
				name, err, r.FirelensConfigType)
		}
	}
	return d.render(c), nil
}

func (r *record) metadata() []pair {
	if !r.ECSMetadataEnabled {
		return nil
	}
	list := []pair{{"ecs_cluster", r.Cluster}, {"ecs_task_arn", r.TaskARN}, {"ecs_task_definition", r.TaskDefinition}}
	if r.EC2InstanceID != "" {
		list = slices.Insert(list, 0, pair{"ec2_instance_id", r.EC2InstanceID})
	}
	return list
}

// route adds filters and output for a container. Without any option for an output, the included file may have one.
func (c *config) route(container string, options map[string]string, outputKey string) error {
	o := output{container: container}
	hasOutput := false
	for _, key := range slices.Sorted(maps.Keys(options)) {
		value := options[key]
		switch key {
		case optionInclude:
			c.includes = append(c.includes, filter{container, value})
		case optionExclude:
			c.excludes = append(c.excludes, filter{container, value})
		case outputKey:
			o.plugin, hasOutput = value, true
		default:
			o.options = append(o.options, pair{key, value})
		}
	}
	switch {
	case hasOutput:
		c.outputs = append(c.outputs, o)
	case len(o.options) > 0:
		return fmt.Errorf("missing output key %s", outputKey)
	}
	return nil
}

// page is a configuration file in the making: sections with an empty line before each.
type page struct{ strings.Builder }

func (p *page) section(lines ...string) {
	p.WriteByte('\n')
	for _, line := range lines {
		p.WriteString(line)
		p.WriteByte('\n')
	}
}

const indent = "    "

// indented gives "<key> <value>" lines.
func indented(by string, pairs []pair) []string {
	var lines []string
	for _, p := range pairs {
		lines = append(lines, by+p.key+" "+p.value)
	}
	return lines
}

func (c *config) fluentd() string {
	var p page
	p.section("<source>", indent+"@type unix", indent+"path /var/run/fluent.sock", "</source>")
	if c.listen != "" {
		p.section("<source>", indent+"@type forward", indent+"bind "+c.listen, indent+"port 24224", "</source>")
	}
	grep := func(f filter, how string) {
		p.section("<filter "+f.container+"-firelens**>", indent+"@type  grep", indent+"<"+how+">", indent+indent+"key log", indent+indent+"pattern "+f.pattern,
			indent+"</"+how+">", "</filter>")
	}
	for _, f := range c.includes {
		grep(f, "regexp")
	}
	for _, f := range c.excludes {
		grep(f, "exclude")
	}
	if len(c.metadata) > 0 {
		p.section(slices.Concat([]string{"<filter **>", indent + "@type record_transformer", indent + "<record>"}, indented(indent+indent, c.metadata),
			[]string{indent + "</record>", "</filter>"})...)
	}
	if c.include != "" {
		p.section("@include " + c.include)
	}
	for _, o := range c.outputs {
		p.section(slices.Concat([]string{"<match " + o.container + "-firelens**>", indent + "@type " + o.plugin}, indented(indent, o.options), []string{"</match>"})...)
	}
	return p.String()
}

// The health input is where routers answer health checks; what comes in there goes nowhere.
func (c *config) fluentBit() string {
	var p page
	p.section("[INPUT]", indent+"Name forward", indent+"Mem_Buf_Limit "+strconv.FormatInt(c.buffer, 10)+"MB", indent+"unix_path /var/run/fluent.sock")
	if c.listen != "" {
		p.section("[INPUT]", indent+"Name forward", indent+"Listen "+c.listen, indent+"Port 24224")
		p.section("[INPUT]", indent+"Name tcp", indent+"Tag firelens-healthcheck", indent+"Listen 127.0.0.1", indent+"Port 8877")
	}
	for _, f := range c.includes {
		p.section("[FILTER]", indent+"Name   grep", indent+"Match "+f.container+"-firelens*", indent+"Regex  log "+f.pattern)
	}
	for _, f := range c.excludes {
		p.section("[FILTER]", indent+"Name   grep", indent+"Match "+f.container+"-firelens*", indent+"Exclude log "+f.pattern)
	}
	if len(c.metadata) > 0 {
		p.section(append([]string{"[FILTER]", indent + "Name record_modifier", indent + "Match *"}, indented(indent+"Record ", c.metadata)...)...)
	}
	if c.include != "" {
		p.section("@INCLUDE " + c.include)
	}
	if c.listen != "" {
		p.section("[OUTPUT]", indent+"Name null", indent+"Match firelens-healthcheck")
	}
	for _, o := range c.outputs {
		p.section(append([]string{"[OUTPUT]", indent + "Name " + o.plugin, indent + "Match " + o.container + "-firelens*"}, indented(indent, o.options)...)...)
	}
	return p.String()
}
