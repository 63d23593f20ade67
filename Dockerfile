# A model and what runs it, without a compiler: NumPy, safetensors, and streamrnn with the kernels of its wheel.
#
#   make wheels
#   docker build --build-arg MODEL=vad.safetensors -t vad .
#   docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges -i vad < in.csv
#
# A model that needs other kernels than the wheel's: `streamrnn compile MODEL -o kernels`, then add to the second stage
#   COPY --chmod=755 kernels /kernels
#   ENV STREAMRNN_KERNELS=/kernels
FROM python:3.13-slim AS packages
COPY dist/*manylinux*.whl /wheels/
# --no-deps leaves out Numba, llvmlite, and what the command needs.
RUN pip install --no-cache-dir --no-deps --target /packages /wheels/*"$(uname -m)"*.whl numpy safetensors

FROM python:3.13-slim
RUN useradd --system --no-create-home --uid 10001 app
COPY --from=packages /packages /packages
ARG MODEL=model.safetensors
ARG APP=examples/container/app.py
COPY ${APP} /app/app.py
COPY ${MODEL} /app/model.safetensors
ENV PYTHONPATH=/packages PYTHONDONTWRITEBYTECODE=1
USER app
WORKDIR /app
ENTRYPOINT ["python", "app.py", "model.safetensors"]
