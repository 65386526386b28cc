PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
PY := .venv/bin/python

.PHONY: demo test test-comfyui soak audit check format bench train clean

.venv/ready: pyproject.toml constraints.txt
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[standalone,dev]'
	touch $@

demo: .venv/ready            ## an edit, from nothing: writes demo.png
	$(PY) -m diffedit_core.cli demo

test: .venv/ready
	$(PY) -m pytest tests -n auto

test-comfyui: .venv/ready    ## only those in ComfyUI: in ~/ComfyUI*, or in COMFYUI_PATH
	$(PY) -m pytest tests/comfyui -n auto

soak: .venv/ready            ## everything in great number, two hours: writes bench/results/reliability.md
	PYTHONPATH=$(CURDIR):tests $(PY) -m soak

audit: .venv/ready           ## known holes in what we depend on, and its licences
	$(PY) -m pip install --quiet --disable-pip-version-check pip-audit pip-licenses
	$(PY) -m pip_audit --skip-editable
	$(PY) -m piplicenses --from=mixed --order=license --format=markdown

check: .venv/ready           ## format, lint, types
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m basedpyright --level error

format: .venv/ready
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: .venv/ready           ## every number in the README and in docs/
	$(PY) -m bench.speed
	$(PY) -m bench.quality
	$(PY) -m bench.batch
	$(PY) -m bench.scale

train: .venv/ready           ## the bundled model, from nothing
	$(PY) -m diffedit_core.toybox.train

clean:
	rm -rf .venv build *.egg-info
