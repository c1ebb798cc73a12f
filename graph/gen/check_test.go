package main

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/vektah/gqlparser/v2/ast"
)

// TestCheck gives the generator schemas with what the encoders would leave out, and wants it to refuse them.
func TestCheck(t *testing.T) {
	t.Chdir("../..")
	const auth = "\ndirective @auth on FIELD_DEFINITION | OBJECT | ARGUMENT_DEFINITION"
	packages := new(config.Config).Packages // loaded once
	for _, c := range []struct {
		name         string
		old, planted string // in schema.graphqls
		configure    func(*config.Config)
		want         string // in the error, "" for none
	}{
		{"the schema as it is", "", "", nil, ""},
		{"a deprecated field", "metrics: MessageMetrics!\n", "metrics: MessageMetrics! @deprecated(reason: \"x\")\n",
			nil, ""},
		{"a directive on a root field", "    id: ID!\n  ): Message\n", "    id: ID!\n  ): Message @auth\n", nil, ""},
		{"a directive on a field", "metrics: MessageMetrics!\n", "metrics: MessageMetrics! @auth\n", nil,
			"Message.metrics: the generated encoders know nothing of directives: @auth"},
		{"a directive on a resolver's field", "thread: Thread!", "thread: Thread! @auth", nil,
			"Message.thread: the generated encoders know nothing of directives: @auth"},
		{"a directive on an object", "type WeaveCall {", "type WeaveCall @auth {", nil, "@auth"},
		{"a directive on an argument", "    roles: [Role!]\n  ): Int!", "    roles: [Role!] @auth\n  ): Int!", nil,
			"Thread.messageCount: the generated encoders know nothing of directives of arguments: @auth"},
		{"a directive of requests", "", "directive @trace on FIELD\n", nil,
			"@trace: the generated encoders know nothing of directives of the fields of a request"},
		{"an interface", "type TextPart {", "interface Node { text: String! }\ntype TextPart implements Node {",
			func(c *config.Config) {
				c.Models["Node"] = c.Models["ContentPart"]
			}, "Node: the generated encoders know nothing of interfaces"},
		{"a batch resolver", "", "", func(c *config.Config) {
			yes := true
			m := c.Models["Thread"].Fields["messageCount"]
			m.Batch = &yes
			c.Models["Thread"].Fields["messageCount"] = m
		}, "Thread.messageCount: the generated encoders know nothing of batch resolvers"},
		{"no panic handlers", "", "", func(c *config.Config) { c.OmitPanicHandler = true }, "omit_panic_handler"},
		{"lists of one Go type that differ", "    limit: Int\n  ): [Thread!]!", "    limit: Int\n  ): [Thread]!", nil,
			"threads and recentThreads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := config.LoadConfigFromDefaultLocations()
			if err != nil {
				t.Fatal(err)
			}
			text := cfg.Sources[0].Input
			if !strings.Contains(text, c.old) {
				t.Fatalf("schema.graphqls has no %q", c.old)
			}
			text = strings.Replace(text, c.old, c.planted, 1)
			if strings.Contains(text, "@auth") {
				text += auth
			}
			// the inputs, which gqlgen would generate first
			cfg.AutoBind = []string{"github.com/threadstore/threadstore/graph/model"}
			cfg.Sources = []*ast.Source{{Name: "schema.graphqls", Input: text}}
			if c.configure != nil {
				c.configure(cfg)
			}
			cfg.Packages = packages
			if err := cfg.Init(); err != nil {
				t.Fatal(err)
			}
			packages = cfg.Packages
			data, err := codegen.BuildData(cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = check(data)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got the error %v, want %q", err, c.want)
			}
		})
	}
}
