// Package browser tests the agent's status page in a real browser, headless Chromium. It is a module of its own: nothing
// else needs what drives a browser.
package browser
