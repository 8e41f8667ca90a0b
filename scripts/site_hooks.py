"""What "make site" changes of docs/: the navigation is that of docs/README.md, and links to
files outside of docs lead to the repository."""

import re


def on_config(config):
    nav, kind = [{"Start": "README.md"}], None
    with open(config["docs_dir"] + "/README.md", encoding="utf-8") as f:
        for line in f:
            if m := re.match(r"\| \*\*([\w-]+)\*\* \|", line):
                kind = []
                nav.append({m[1]: kind})
            elif kind is not None and (m := re.match(r"\| \[[\w.-]+\]\(([\w.-]+)\) \|", line)):
                kind.append(m[1])
    config["nav"] = nav
    return config


def on_page_markdown(markdown, page, config, files):
    return re.sub(r"\]\(\.\./([^)]*)\)", rf"]({config['repo_url']}/blob/main/\1)", markdown)
