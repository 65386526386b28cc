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

test-comfyui: .venv/ready    ## only those in ComfyUI, all of them in each: in ~/ComfyUI*, or in COMFYUI_PATH
	$(PY) -m pytest tests/comfyui -n auto --in-every

soak: .venv/ready            ## everything in great number, two hours: writes bench/results/reliability.md
	PYTHONPATH=$(CURDIR):tests $(PY) -m soak

audit: .venv/ready           ## the licences of what we depend on, and known holes in it
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit pip-licenses
	.venv/audit/bin/pip-licenses --python=$(PY) --from=mixed --order=license --format=markdown
	.venv/audit/bin/pip-audit --path $$($(PY) -c "import sysconfig; print(sysconfig.get_path('purelib'))")

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
