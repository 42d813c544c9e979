const specs = JSON.parse(document.getElementById("charts").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
const theme = dark ? "dark" : undefined;
specs.forEach((spec, place) => {
  const config = { ...(spec.config || {}), background: "transparent" };
  vegaEmbed(`#chart-${place}`, { ...spec, config }, { renderer: "svg", theme, actions: true });
});
