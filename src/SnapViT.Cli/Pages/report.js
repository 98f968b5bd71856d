'use strict';
(() => {
  const tip = document.getElementById('tip');
  let shown = null;
  const hide = () => { tip.hidden = true; shown?.classList.remove('on'); shown = null; };
  // Marks that cover each other are told together.
  const told = target => {
    if (!target.classList.contains('mark')) return target.dataset.tip;
    const at = mark => { const box = mark.querySelector('.touch').getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
    const [x, y] = at(target), marks = [...target.parentNode.querySelectorAll('.mark[data-tip]')];
    const near = marks.filter(mark => { const [u, v] = at(mark); return mark === target || Math.hypot(u - x, v - y) < 6; });
    return [target, ...near.filter(mark => mark !== target && mark.dataset.tip !== target.dataset.tip).reverse()].slice(0, 4)
      .map(mark => mark.dataset.tip).join('\n\n');
  };
  const show = target => {
    if (shown !== target) { hide(); shown = target; target.classList.add('on'); }
    tip.textContent = told(target);
    tip.hidden = false;
    const box = target.getBoundingClientRect(), own = tip.getBoundingClientRect(), page = document.documentElement.clientWidth;
    const left = Math.max(6, Math.min(box.left + box.width / 2 - own.width / 2, page - own.width - 6));
    const top = box.top - own.height - 8 < 0 ? box.bottom + 8 : box.top - own.height - 8;
    tip.style.left = left + scrollX + 'px';
    tip.style.top = top + scrollY + 'px';
  };
  const of = event => event.target.closest?.('[data-tip]');
  document.addEventListener('pointerover', event => { const target = of(event); target ? show(target) : event.pointerType === 'mouse' && hide(); });
  document.addEventListener('click', event => { const target = of(event); target ? show(target) : hide(); });
  document.addEventListener('focusin', event => { const target = of(event); if (target) show(target); });
  document.addEventListener('keydown', event => { if (event.key === 'Escape') hide(); });

  const save = (name, blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  // A picture of its own has no style sheet: what the page's gives its shapes is written into them.
  const standalone = svg => {
    const copy = svg.cloneNode(true), from = svg.querySelectorAll('*'), to = copy.querySelectorAll('*');
    from.forEach((shape, i) => {
      const style = getComputedStyle(shape);
      for (const name of ['fill', 'stroke', 'font-size', 'font-family']) to[i].style.setProperty(name, style.getPropertyValue(name));
    });
    const [, , width, height] = svg.getAttribute('viewBox').split(' ').map(Number);
    copy.setAttribute('width', width);
    copy.setAttribute('height', height);
    copy.style.background = getComputedStyle(document.body).backgroundColor;
    return { text: new XMLSerializer().serializeToString(copy), width, height };
  };
  const savePng = (name, svg) => {
    const { text, width, height } = standalone(svg), image = new Image();
    image.onload = () => {
      const canvas = document.createElement('canvas');
      canvas.width = width * 3;
      canvas.height = height * 3;
      const context = canvas.getContext('2d');
      context.fillStyle = getComputedStyle(document.body).backgroundColor;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(blob => save(name, blob));
    };
    image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(text);
  };
  const copyText = async (text, button) => {
    try { await navigator.clipboard.writeText(text); } catch {
      const area = document.createElement('textarea');
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    const before = button.textContent;
    button.textContent = 'copied';
    setTimeout(() => { button.textContent = before; }, 1500);
  };
  document.querySelectorAll('button').forEach(button => button.addEventListener('click', () => {
    const { as, name } = button.dataset, figure = button.closest('figure'), svg = figure?.querySelector('svg');
    if (as === 'svg') save(name + '.svg', new Blob([standalone(svg).text], { type: 'image/svg+xml' }));
    if (as === 'png') savePng(name + '.png', svg);
    const data = button.closest('.tools')?.querySelector(`script[data-as="${as}"]`)?.textContent;
    if (as === 'markdown') copyText(data, button);
    if (as === 'csv') save(name + '.csv', new Blob([data], { type: 'text/csv' }));
  }));
})();
