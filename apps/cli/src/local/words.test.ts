import { describe, expect, test } from "vitest";
import { withNamespace } from "./mesh-access.ts";
import { parseObjectNames } from "./object-names.ts";
import { parsePorts } from "./port-forward.ts";

describe("a name and a namespace", () => {
  test.each([
    ["web", "shop", "web.shop"],
    ["deploy/web", "shop", "deploy/web.shop"],
    ["svc/web", "shop", "svc/web.shop"],
    ["web.old", "shop", "web.old"],
    ["svc/web.old", "shop", "svc/web.old"],
    ["old/web", "shop", "old/web"],
    ["web", "", "web"],
  ])("%s in %j is %s", (name, namespace, want) => {
    expect(withNamespace(name, namespace)).toBe(want);
  });
});

describe("ports to forward", () => {
  test.each([
    ["8080:80", 8080, 80],
    ["80", 80, 80],
    [":80", 0, 80],
    ["0:80", 0, 80],
    ["65535:65535", 65535, 65535],
  ])("%s", (text, local, remote) => expect(parsePorts(text)).toEqual({ local, remote }));

  test.each(["", "x", "80:", "80:0", "70000", "1:70000", "70000:1", "80:http", "-1:80", "1:2:3"])(
    "%j is none",
    (text) => expect(() => parsePorts(text)).toThrow(`invalid argument "${text}": need [LOCAL:]REMOTE`),
  );
});

describe("objects to delete", () => {
  const ap = (name: string) => ({ kind: "AuthorizationPolicy", namespace: "shop", name });
  test.each([
    ["AuthorizationPolicy a", [ap("a")]],
    ["authorizationpolicies a b", [ap("a"), ap("b")]],
    ["ap/a AP/b", [ap("a"), ap("b")]],
    ["ns legacy", [{ kind: "Namespace", namespace: "", name: "legacy" }]],
    ["svc/web", [{ kind: "Service", namespace: "shop", name: "web" }]],
    [
      "po/web deploy/web",
      [
        { kind: "Pod", namespace: "shop", name: "web" },
        { kind: "Deployment", namespace: "shop", name: "web" },
      ],
    ],
  ])("%s", (words, want) => expect(parseObjectNames(words.split(" "), "shop")).toEqual(want));

  test.each([
    ["authorizationpolicie x", 'unknown kind "authorizationpolicie": did you mean "authorizationpolicy"?'],
    ["sevice/x", 'unknown kind "sevice": did you mean "service"?'],
    ["ap", "need a name after ap"],
    ["ap/", 'invalid argument "ap/": need KIND/NAME'],
    ["ap/a b", 'invalid argument "b": need KIND/NAME'],
    ["ap/a/b", 'invalid argument "ap/a/b": need KIND/NAME'],
  ])("%s is refused", (words, message) => {
    expect(() => parseObjectNames(words.split(" "), "shop")).toThrow(message);
  });
});
